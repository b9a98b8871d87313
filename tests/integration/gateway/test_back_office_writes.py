"""Every write of the administration leaves one audit row for each row it wrote, and raises the version once."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now

from budgets.models import Budget, RateLimit
from catalog.models import Deployment, Model, Price
from tenants.back_office.row_services import SERVICES
from tenants.config_version import config_version
from tenants.models import ApiKey, AuditEvent, Membership, Tenant, User
from tenants.permissions import CREATE, DELETE, SUPER_ADMIN, UPDATE, may
from tests.support.clients.forms import deployment_fields, post

pytestmark = pytest.mark.django_db(transaction=True)

BUDGET = {"limit_nanousd": "12", "schedule": "weekly", "warning_ratio": "0.8", "on_insufficient": "refuse"}
PASSWORDS = {"usable_password": "true", "password1": "a good phrase 2", "password2": "a good phrase 2"}
LOCKS = re.compile(r'^(INSERT INTO|UPDATE|DELETE FROM) "(tenants|catalog|budgets)_|FOR UPDATE')


class World:
    """One row of each kind, each of which may be deleted."""

    def __init__(self) -> None:
        self.acme, self.beta = (Tenant.objects.create(name=name) for name in ("acme", "beta"))
        self.bob, self.eve = (User.objects.create_user(f"{name}@example.com") for name in ("bob", "eve"))
        member = Membership.objects.create(tenant=self.acme, user=self.bob)
        key = ApiKey.objects.create(
            tenant=self.acme, name="App", prefix="app", secret_hmac="x" * 64, revoked_at=now()
        )
        self.model = Model.objects.create(alias="gpt-4o")
        self.west = Deployment.objects.create(
            model=self.model, name="west", provider="openai", upstream_model="x", refused_members=["store"]
        )
        Price.objects.create(deployment=self.west, input=10**9)
        limits = RateLimit.objects.create(tenant=self.acme, requests_per_minute=5)
        budget = Budget.objects.create(tenant=self.acme, limit_nanousd=10**9, schedule="weekly")
        group = Group.objects.create(name="desk")
        rows = (self.acme, self.bob, group, member, key, self.model, self.west, limits, budget)
        self.rows: dict[str, Any] = {str(row._meta.model_name): row for row in rows}  # noqa: SLF001 - Django's documented name


@pytest.fixture
def world() -> World:
    return World()


def page_of(row, page="change"):
    options = row._meta  # noqa: SLF001 - Django's documented name
    return reverse(f"admin:{options.app_label}_{options.model_name}_{page}", args=[row.pk])


def filled(client, url) -> dict[str, Any]:
    """Return the fields of a page as a browser would send them, unchanged."""
    context = client.get(url).context
    sent: dict[str, Any] = {}
    for bound in context["adminform"].form:
        sent |= sent_by(bound)
    for inline in context["inline_admin_formsets"]:
        formset = inline.formset
        count = formset.initial_form_count()
        sent |= {f"{formset.prefix}-TOTAL_FORMS": count, f"{formset.prefix}-INITIAL_FORMS": count}
        for form in formset.initial_forms:
            for bound in form:
                sent |= sent_by(bound)
    return sent


def sent_by(bound) -> dict[str, Any]:
    value = bound.value()
    if value is None or value is False:
        return {}
    hidden = {bound.html_initial_name: value} if bound.field.show_hidden_initial else {}
    return hidden | {bound.html_name: "on" if value is True else value}


def writes_of(write) -> tuple[list[tuple[str, str]], int]:
    """Return the audit rows that a function leaves, as actions and resources, and how far it raises the version.

    The version is raised before anything else is written or locked, so that no two writers wait for each other.
    """
    seen, version = set(AuditEvent.objects.values_list("pk", flat=True)), config_version()
    with CaptureQueriesContext(connection) as queries:
        write()
    locks = [query["sql"] for query in queries if LOCKS.search(query["sql"])]
    assert locks == [] or "tenants_configversion" in locks[0]
    fresh = AuditEvent.objects.exclude(pk__in=seen)
    assert {event.actor for event in fresh} <= {"root@example.com"}
    return sorted(fresh.values_list("action", "resource")), config_version() - version


ADDED: dict[str, Any] = {
    "tenant": lambda _: ("tenants_tenant_add", {"name": "new", "kind": "organization", "status": "active"}),
    "user": lambda _: ("tenants_user_add", {"email": "new@example.com", **PASSWORDS}),
    "group": lambda _: ("auth_group_add", {"name": "new"}),
    "apikey": lambda w: (
        "tenants_apikey_add",
        {"tenant": w.beta.pk, "name": "New", "priority": "interactive"},
    ),
    "ratelimit": lambda w: (
        "budgets_ratelimit_add",
        {"tenant": w.beta.pk, "requests_per_minute": "5"},
    ),
    "budget": lambda w: ("budgets_budget_add", {"tenant": w.beta.pk, **BUDGET}),
    "model": lambda _: (
        "catalog_model_add",
        {"alias": "new", "model_type": "llm", "strategy": "weighted", "fallbacks": "{}", "metadata": "{}"},
    ),
    "deployment": lambda w: ("catalog_deployment_add", deployment_fields(w.model)),
    "price": lambda w: (
        "catalog_price_add",
        {"deployment": w.west.pk, "input": "2", "images": "[]", "terms": "{}"},
    ),
}
CHANGED = {
    "tenant": {"name": "acme 2"},
    "user": {"name": "Bob"},
    "group": {"name": "desk 2"},
    "apikey": {"name": "App 2"},
    "ratelimit": {"requests_per_minute": "7"},
    "budget": {"limit_nanousd": "13"},
    "model": {"owned_by": "us"},
    "deployment": {"weight": "5", "api_key": "sk-a-new-key-of-the-provider"},
}
DELETED = {name: [("delete", name)] for name in CHANGED} | {
    "model": [("delete", "deployment"), ("delete", "model")]
}
INLINE: dict[str, Any] = {  # the page, what is sent beside what is there, and the audit row
    "a member is added": (
        "tenant",
        lambda w: {
            "memberships-TOTAL_FORMS": 2,
            "memberships-1-user": w.eve.pk,
            "memberships-1-role": "owner",
        },
        ("create", "membership"),
    ),
    "a member is changed": ("tenant", lambda _: {"memberships-0-role": "admin"}, ("update", "membership")),
    "a member is removed": ("tenant", lambda _: {"memberships-0-DELETE": "on"}, ("delete", "membership")),
    "limits are changed": (
        "tenant",
        lambda _: {"ratelimits-0-tokens_per_minute": "9"},
        ("update", "ratelimit"),
    ),
    "limits are removed": ("tenant", lambda _: {"ratelimits-0-DELETE": "on"}, ("delete", "ratelimit")),
    "a budget is changed": ("tenant", lambda _: {"budgets-0-limit_nanousd": "3"}, ("update", "budget")),
    "a budget is removed": ("tenant", lambda _: {"budgets-0-DELETE": "on"}, ("delete", "budget")),
    "a deployment is changed": ("model", lambda _: {"deployments-0-weight": "7"}, ("update", "deployment")),
    "a price is added": (
        "deployment",
        lambda _: {"prices-TOTAL_FORMS": 1, "prices-0-input": "3"},
        ("create", "price"),
    ),
}


@pytest.mark.parametrize("name", ADDED)
def test_what_is_added_leaves_one_audit_row(client, world, name):
    page, fields = ADDED[name](world)
    assert writes_of(lambda: post(client, page, fields)) == ([("create", name)], 1)


@pytest.mark.parametrize("name", CHANGED)
def test_what_is_changed_leaves_one_audit_row(client, world, name):
    url = page_of(world.rows[name])
    fields = filled(client, url) | CHANGED[name]
    assert writes_of(lambda: saved(client, url, fields)) == ([("update", name)], 1)


@pytest.mark.parametrize("name", CHANGED)
def test_what_is_sent_unchanged_leaves_none(client, world, name):
    url = page_of(world.rows[name])
    fields = filled(client, url)
    assert writes_of(lambda: saved(client, url, fields)) == ([], 0)


@pytest.mark.parametrize("name", DELETED)
def test_what_is_deleted_leaves_one_audit_row(client, world, name):
    url = page_of(world.rows[name], "delete")
    assert writes_of(lambda: saved(client, url, {"post": "yes"})) == (DELETED[name], 1)


@pytest.mark.parametrize("name", sorted(DELETED.keys() - {"apikey"}))  # keys are revoked from the list
def test_what_is_deleted_from_a_list_leaves_one_audit_row(client, world, name):
    row = world.rows[name]
    options = row._meta  # noqa: SLF001 - Django's documented name
    url = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
    chosen = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    assert writes_of(lambda: saved(client, url, chosen)) == (DELETED[name], 1)


@pytest.mark.parametrize("what", INLINE)
def test_rows_on_their_owners_page_leave_an_audit_row_each(client, world, what):
    page, sent, row = INLINE[what]
    url = page_of(world.rows[page])
    fields = filled(client, url) | sent(world)
    assert writes_of(lambda: saved(client, url, fields)) == ([row], 1)


@pytest.mark.parametrize(
    ("name", "action", "row"),
    [
        ("tenant", "suspend", ("suspend", "tenant")),
        ("tenant", "resume", ("resume", "tenant")),
        ("apikey", "rotate", ("rotate", "apikey")),
        ("apikey", "revoke", ("revoke", "apikey")),
        ("deployment", "try_members_again", ("update", "deployment")),
    ],
)
def test_actions_leave_one_audit_row(client, world, name, action, row):
    ApiKey.objects.update(revoked_at=None)
    options = world.rows[name]._meta  # noqa: SLF001 - as above
    url = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
    chosen = {"action": action, "_selected_action": [world.rows[name].pk], "confirmed": "yes"}
    assert writes_of(lambda: saved(client, url, chosen)) == ([row], 1)


@pytest.mark.parametrize("new", [PASSWORDS, {"usable_password": "false", "unset-password": "1"}])
def test_the_password_of_a_person_leaves_one_audit_row_without_it(client, world, new):
    world.bob.set_password("a good phrase 1")
    world.bob.save()
    url = reverse("admin:auth_user_password_change", args=[world.bob.pk])

    assert writes_of(lambda: saved(client, url, new)) == ([("password", "user")], 1)

    event = AuditEvent.objects.get(resource="user")
    assert event.before == event.after
    assert "password" not in (event.after or {})
    assert User.objects.get(pk=world.bob.pk).has_usable_password() is (new is PASSWORDS)


def saved(client, url, fields):
    answer = client.post(url, fields)
    assert answer.status_code == 302, answer.context and answer.context.get("errors")


def test_every_service_of_a_page_is_proven_here():
    covered = ADDED.keys() | CHANGED.keys() | {row[1] for _, _, row in INLINE.values()}
    assert covered == {model._meta.model_name for model in SERVICES}  # noqa: SLF001 - as above


def test_a_page_without_services_writes_nothing():
    for model in admin.site._registry:  # noqa: SLF001 - Django's documented name
        name = str(model._meta.model_name)  # noqa: SLF001 - as above
        allowed = {verb for verb in (CREATE, UPDATE, DELETE) if may(SUPER_ADMIN, verb, name)}
        assert bool(allowed) is (model in SERVICES), name
        assert model not in SERVICES or (DELETE in allowed) is (SERVICES[model].remove is not None), name
