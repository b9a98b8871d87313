"""create_tenant, the actor in the audit, the demo's secrets in the database, and what is printed once it serves."""

from __future__ import annotations

import os
import pwd
from io import StringIO

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.db import InterfaceError, OperationalError, ProgrammingError

from catalog.models import Deployment
from catalog.sync import sync_catalog
from gateway.bootstrap import bootstrap
from gateway.config import ConfigError, load
from gateway.management.database_errors import error_text
from gateway.management.startup_message import filled_in
from gateway.server.published_secrets import refuse_stored
from gateway.site.first_steps import first_steps
from tenants.audit import at_the_shell
from tenants.models import ApiKey, AuditEvent, Tenant, User
from tests.support.sources import ROOT

pytestmark = pytest.mark.django_db(transaction=True)
ME = f"({pwd.getpwuid(os.getuid()).pw_name})"
WELCOME = (ROOT / "deploy" / "welcome.txt").read_text()


def run(*arguments):
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


@pytest.fixture
def demo(settings):
    settings.GATEWAY = load({"ROUTER_CONFIG_FILE": "deploy/demo.yaml"}, ROOT)
    bootstrap(settings.GATEWAY)
    return settings.GATEWAY


def test_a_tenant_is_made_and_its_next_command_is_named():
    said = run("create_tenant", "my-team")
    assert Tenant.objects.get().name == "my-team"
    assert said.rstrip().endswith("create_key my-team")
    assert AuditEvent.objects.get().actor == f"shell {ME}"


@pytest.mark.parametrize("name", ["my-team", "", "   ", "x" * 201])
def test_a_name_that_is_taken_or_none_is_refused(name):
    Tenant.objects.create(name="my-team")
    with pytest.raises(CommandError) as refused:
        run("create_tenant", name)
    assert refused.value.returncode == 1
    assert Tenant.objects.count() == 1


@pytest.mark.parametrize("name", ["nobody", "it's me", "a b"])
def test_create_key_says_how_the_tenant_is_made(name):
    with pytest.raises(CommandError, match="create_tenant") as refused:
        run("create_key", name)
    assert str(refused.value).startswith(f"There is no tenant '{name}'.")


def test_audit_rows_of_commands_name_the_users_of_the_system(monkeypatch, settings, tmp_path):
    run("create_tenant", "acme")
    token = run("create_key", "acme").strip()
    run("revoke", token)
    (tmp_path / "router.yaml").write_text(yaml.safe_dump({"bootstrap": {"tenants": [{"name": "other"}]}}))
    settings.GATEWAY = load({}, tmp_path)
    run("bootstrap")
    assert set(AuditEvent.objects.values_list("actor", flat=True)) == {f"shell {ME}", f"bootstrap {ME}"}
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setenv("SUDO_USER", "alice")
    assert at_the_shell().name == "shell (root, sudo by alice)"
    monkeypatch.setattr(os, "getuid", lambda: 987654)
    assert at_the_shell().name == "shell (uid 987654)"  # nor is the variable of another user believed


def test_the_demos_secrets_in_the_database_are_refused_behind_a_proxy(demo, settings):
    server = settings.GATEWAY.server.model_copy(update={"public_url": "https://gw.example.com"})
    settings.GATEWAY = settings.GATEWAY.model_copy(update={"server": server})
    with pytest.raises(ConfigError, match=r"gw\.example\.com"):
        refuse_stored("127.0.0.1")


def test_the_demos_secrets_in_the_database_are_refused_where_others_reach_them(demo):
    refuse_stored("127.0.0.1", "::1")
    for host in ("0.0.0.0", "::", "192.0.2.7"):  # noqa: S104 - only said
        with pytest.raises(ConfigError) as refused:
            refuse_stored("127.0.0.1", host)
        first, second = str(refused.value).splitlines()
        assert first.startswith("the key sk-demo.my-secret: still works here")
        assert second.startswith("the password of admin@example.com: still works here")
    run("revoke", "demo")
    person = User.objects.get(email="admin@example.com")
    person.set_password("tr0ub4dor&3x9Kq!7")
    person.save()
    refuse_stored("0.0.0.0")  # noqa: S104 - as above


def test_bootstrap_reports_each_step(settings):
    demo = load({"ROUTER_CONFIG_FILE": "deploy/demo.yaml"}, ROOT)
    assert bootstrap(demo) == [
        "Created the tenant demo.",
        "Created the user admin@example.com.",
        "Created the membership of admin@example.com in demo as owner.",
        "Created the key Demo (sk-demo).",
        "Created the limits of the tenant demo.",
        "Created the weekly budget of the tenant demo.",
        "Created the limits of the key Demo (sk-demo).",
    ]
    less = demo.bootstrap.model_copy(update={"tenant_limits": (), "tenant_budgets": ()})
    assert bootstrap(demo.model_copy(update={"bootstrap": less})) == [
        "Removed the limits of the tenant demo: the file no longer has it.",
        "Removed the weekly budget of the tenant demo: the file no longer has it.",
    ]


def test_the_welcome_shows_what_works(demo):
    text = filled_in(WELCOME).format(address="http://x", admin="http://x")
    assert "Key     sk-demo.my-secret\n" in text
    assert "Bearer sk-demo.my-secret" in text
    assert "admin@example.com / admin-password" in text


@pytest.mark.parametrize("how", ["revoked", "deleted", "rotated", "suspended", "of another file"])
def test_the_welcome_shows_no_key_that_does_not_work(demo, settings, how):
    row = ApiKey.objects.get(prefix="demo")
    if how == "revoked":
        run("revoke", "demo")
    elif how == "deleted":
        row.delete()
    elif how == "rotated":
        ApiKey.objects.update(secret_hmac="0" * 64)
    elif how == "suspended":
        Tenant.objects.update(status="suspended")
    else:
        settings.GATEWAY = load({}, ROOT / "docs")
    person = User.objects.get(email="admin@example.com")
    person.set_unusable_password()
    person.save()
    text = filled_in(WELCOME).format(address="http://x", admin="http://x")
    assert "my-secret" not in text
    assert "admin-password" not in text
    assert "create_key" in text
    assert "Bearer $YOUR_KEY" in text


def test_the_first_steps_shrink_as_they_are_taken():
    assert len(first_steps()) == 4
    User.objects.create_superuser("root@example.com", "a long password")
    run("create_tenant", "acme")
    assert [step.partition(":")[0] for step in first_steps("http://x")] == [
        "there is no model yet",
        "there is no key yet",
    ]
    assert "http://x/admin/ui/" in first_steps("http://x")[0]
    run("create_key", "acme")
    assert len(first_steps()) == 1


def test_what_the_first_start_makes_of_the_file_is_not_missing_before_it(settings, tmp_path):
    keys = {
        "model_catalog": [{"alias": "a", "provider": "simulator", "provider_model": "a", "free": True}],
        "bootstrap": {
            "tenants": [{"name": "acme"}],
            "admin_users": [{"email": "root@example.com", "password": "correct horse battery"}],
        },
    }
    (tmp_path / "router.yaml").write_text(yaml.safe_dump(keys))
    settings.GATEWAY = load({}, tmp_path)
    [step] = first_steps()
    assert step.startswith("there is no key yet: ")
    assert step.endswith(" create_key acme")
    bootstrap(settings.GATEWAY)
    sync_catalog(settings.GATEWAY)
    assert first_steps() == [step]
    User.objects.all().delete()
    Deployment.objects.update(removed=True)
    assert [step.partition(":")[0] for step in first_steps()] == [
        "no account can sign in yet",
        "there is no model yet",
        "there is no key yet",
    ]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OperationalError("no such table: tenants_tenant"), "manage.py migrate"),
        (
            ProgrammingError('relation "tenants_tenant" does not exist\nLINE 1: ..."'),
            "exist. Hint: manage.py migrate",
        ),
        (
            OperationalError("couldn't get a connection after 2.00 sec"),
            "check that it runs, and ROUTER_DB_URL",
        ),
        (OperationalError("connection failed: Connection refused"), "check that it runs"),
        (InterfaceError("the connection is closed"), "check that it runs"),
        (OperationalError('database "nope" does not exist'), "check that it runs, and ROUTER_DB_URL"),
        (OperationalError("database is locked"), "another process writes"),
    ],
)
def test_the_hint_fits_the_database_error(error, said):
    assert said in error_text(error)
    assert "\n" not in error_text(error)


BROKEN = {
    "create_key": ("create_key.tenant_named", "team"),
    "explain": ("explain.find", "req_1"),
    "revoke": ("revoke.key_with_prefix", "abc"),
    "settle": ("settle.settle", "req_1", "--cost-usd", "1", "--yes"),
}


@pytest.mark.parametrize("command", BROKEN)
@pytest.mark.parametrize(
    "error", [InterfaceError("the connection is closed"), OperationalError("it is\naway")]
)
def test_a_command_that_loses_its_database_says_so_in_one_line(monkeypatch, command, error):
    place, *arguments = BROKEN[command]

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(f"gateway.management.commands.{command}.check_secret", lambda _: None, raising=False)
    monkeypatch.setattr(f"gateway.management.commands.{place}", fail)
    with pytest.raises(CommandError) as said:
        call_command(command, *arguments)
    assert said.value.returncode == 1
    assert "Hint: " in str(said.value)
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("until", ["2026-11-01", "2026-12-02", "2026-12-01T23:59:59Z"])
def test_a_period_that_ends_before_it_begins_is_refused(until):
    with pytest.raises(CommandError, match=f"--until {until} is not after --since 2026-12-02") as refused:
        call_command("export_usage", "--since", "2026-12-02", "--until", until)
    assert refused.value.returncode == 2
