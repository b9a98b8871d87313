"""A secret that would make keys invalid is refused before it is used; giving the keys up needs a confirmation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO

import msgspec
import pytest
from django.core.management import call_command

from gateway.config import ConfigError
from gateway.models import KnownSecret
from gateway.server.known_secret import check_secret
from tenants.audit import Actor
from tenants.models import ApiKey, AuditEvent, Tenant
from tenants.services import NewKey, create_key, revoke_key

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime.now(UTC)
ACTOR = Actor("test")


@pytest.fixture
def acme():
    return Tenant.objects.create(name="acme")


@pytest.fixture
def other_secret(settings):
    """Return what lets the gateway have another secret."""

    def change(pepper=b"another"):
        settings.SECRETS = msgspec.structs.replace(settings.SECRETS, pepper=pepper)

    return change


def key(tenant, settings, **more):
    return create_key(tenant, NewKey(name="app", **more), pepper=settings.SECRETS.pepper, actor=ACTOR).key


def test_first_secret_is_recorded_and_accepted_again(acme, settings):
    check_secret(NOW)
    key(acme, settings)
    check_secret(NOW)
    assert KnownSecret.objects.count() == 1


@pytest.mark.parametrize("is_remembered", [True, False])
def test_another_secret_is_refused_with_its_remedies_while_there_are_keys(
    acme, settings, other_secret, is_remembered
):
    if is_remembered:
        check_secret(NOW)
    key(acme, settings)
    key(acme, settings)
    other_secret()
    with pytest.raises(ConfigError) as refused:
        check_secret(NOW)
    said = str(refused.value)
    assert "2 API keys were made with" in said
    for remedy in ("put the old one back", "security.pepper", "manage.py accept_secret"):
        assert remedy in said


def test_new_secret_that_orphans_no_key_is_accepted(acme, settings, other_secret):
    check_secret(NOW)
    revoked = key(acme, settings)
    revoke_key(revoked.pk, actor=ACTOR, now=NOW)
    key(acme, settings, expires_at=NOW - timedelta(days=1))
    other_secret()
    check_secret(NOW)
    key(acme, settings)
    check_secret(NOW)


def test_keys_from_before_the_secret_was_recorded_do_not_stop_the_upgrade(acme, settings, other_secret):
    key(acme, settings)
    other_secret()
    key(acme, settings)
    check_secret(NOW)
    other_secret(b"a third one")
    with pytest.raises(ConfigError, match="2 API keys were made"):
        check_secret(NOW)


@pytest.mark.parametrize("command", [("create_key", "acme"), ("bootstrap",)])
def test_no_command_makes_keys_with_another_secret(acme, settings, other_secret, command):
    check_secret(NOW)
    key(acme, settings)
    other_secret()
    with pytest.raises(ConfigError, match="another secret"):
        call_command(*command, stdout=StringIO(), stderr=StringIO())
    assert ApiKey.objects.count() == 1


def test_accepting_a_new_secret_revokes_the_keys_with_audit_rows(acme, settings, other_secret):
    check_secret(NOW)
    lost = key(acme, settings)
    other_secret()
    out = StringIO()
    call_command("accept_secret", "--yes", stdout=out)
    assert "Revoked: 1 API key." in out.getvalue()
    check_secret(NOW)
    lost.refresh_from_db()
    assert lost.revoked_at is not None
    assert AuditEvent.objects.get(action="revoke").actor.startswith("shell (")
