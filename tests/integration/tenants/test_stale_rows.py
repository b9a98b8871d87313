"""A page or the file may save a row that it read before another service changed it: that change stands."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from budgets.services import set_budget, set_limits
from tenants.audit import Actor
from tenants.models import ApiKey, AuditEvent, Tenant, User
from tenants.services import (
    NewKey,
    NewPerson,
    create_key,
    create_person,
    create_tenant,
    delete_tenant,
    revoke_key,
    rotate_key,
    save_key,
    save_key_of_file,
    save_person,
    save_tenant,
    set_password,
    suspend_tenant,
)
from tests.support.clients.forms import NOW

PEPPER = b"p" * 32
ALICE = Actor("alice@example.com", "192.0.2.7", "curl")
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def acme() -> Tenant:
    return create_tenant("acme", actor=ALICE)


@pytest.fixture
def key(acme) -> ApiKey:
    return create_key(acme, NewKey(name="app"), pepper=PEPPER, actor=ALICE).key


@pytest.mark.parametrize("save", [save_key, save_key_of_file])
def test_a_key_that_was_revoked_meanwhile_stays_revoked(key, save):
    revoke_key(key.pk, actor=ALICE, now=NOW)
    key.name = "app 2"

    save(key, actor=ALICE)

    stored = ApiKey.objects.get()
    assert (stored.name, stored.revoked_at) == ("app 2", NOW)
    event = AuditEvent.objects.latest("pk")
    assert event.before["revoked_at"] == event.after["revoked_at"] is not None  # type: ignore[index]


def test_a_key_that_was_rotated_meanwhile_keeps_its_new_secret(key):
    rotate_key(key.pk, overlap=timedelta(0), pepper=PEPPER, actor=ALICE, now=NOW)
    rotated = ApiKey.objects.get().secret_hmac
    assert rotated != key.secret_hmac
    key.name = "app 2"

    save_key(key, actor=ALICE)

    assert ApiKey.objects.get().secret_hmac == rotated


def test_a_password_that_was_changed_meanwhile_stays():
    person = create_person(NewPerson(email="bob@example.com", password="leaked"), actor=ALICE)
    set_password(User.objects.get(), "fresh", actor=ALICE)
    person.name = "Bob"

    save_person(person, actor=ALICE)

    assert User.objects.get().check_password("fresh")


def test_a_row_that_was_deleted_meanwhile_does_not_come_back(acme):
    delete_tenant(Tenant.objects.get(), actor=ALICE)
    acme.timezone = "Europe/Berlin"

    with pytest.raises(Tenant.DoesNotExist):
        save_tenant(acme, actor=ALICE)

    assert not Tenant.objects.exists()
    assert AuditEvent.objects.latest("pk").action == "delete"


@pytest.mark.parametrize(
    "set_rule",
    [
        lambda owner: set_limits(owner, {"requests_per_minute": 1}, actor=ALICE),
        lambda owner: set_budget(owner, 1, "calendar_month", actor=ALICE),
    ],
)
def test_limits_are_read_when_no_other_writer_can_change_them(acme, set_rule):
    set_rule(acme)
    with CaptureQueriesContext(connection) as made:
        set_rule(acme)

    [first] = [
        each["sql"] for each in made if "tenants_configversion" in each["sql"] or "budgets_" in each["sql"]
    ][:1]
    assert "tenants_configversion" in first


def test_a_page_opened_before_a_suspension_does_not_resume_the_tenant(acme: Tenant) -> None:
    page = Tenant.objects.get(pk=acme.pk)
    suspend_tenant(acme.pk, actor=ALICE)
    page.timezone = "Europe/Lisbon"
    save_tenant(page, actor=ALICE, sets_status=False)
    stored = Tenant.objects.get(pk=acme.pk)
    assert (stored.status, stored.timezone) == ("suspended", "Europe/Lisbon")
