"""A row of configuration, its audit row and the version are written together or not at all."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models.signals import post_save

from tenants.audit import Actor
from tenants.config_version import bump_on_change, config_version
from tenants.models import ApiKey, AuditEvent, Membership, Tenant, User
from tenants.services import (
    NewKey,
    NewPerson,
    create_key,
    create_person,
    create_tenant,
    delete_key,
    delete_tenant,
    revoke_key,
    rows,
    save_membership,
    save_tenant,
    set_password,
)
from tests.support.clients.forms import NOW

PEPPER = b"p" * 32
ALICE = Actor("alice@example.com", "192.0.2.7", "curl")
pytestmark = pytest.mark.django_db(transaction=True)


def trail():
    return list(AuditEvent.objects.order_by("pk").values_list("action", "resource", "name"))


@pytest.fixture
def acme() -> Tenant:
    return create_tenant("acme", actor=ALICE)


def test_what_a_row_was_is_read_from_the_database(acme):
    other = Tenant.objects.get(pk=acme.pk)
    other.timezone = "Europe/Berlin"
    save_tenant(other, actor=ALICE)
    acme.name = "acme 2"

    save_tenant(acme, actor=ALICE)

    event = AuditEvent.objects.latest("pk")
    assert (event.before["name"], event.before["timezone"]) == ("acme", "Europe/Berlin")  # type: ignore[index]
    assert (event.after["name"], event.ip) == ("acme 2", "192.0.2.7")  # type: ignore[index]


def test_a_row_that_cannot_be_audited_is_not_written(acme, monkeypatch):
    version = config_version()

    def full(*_args, **_columns):
        raise RuntimeError("no space left")

    monkeypatch.setattr(AuditEvent.objects, "create", full)
    with pytest.raises(RuntimeError, match="no space"):
        create_tenant("beta", actor=ALICE)
    with pytest.raises(RuntimeError, match="no space"):
        delete_tenant(acme, actor=ALICE)

    assert list(Tenant.objects.values_list("name", flat=True)) == ["acme"]
    assert config_version() == version


def test_a_row_that_the_database_refuses_leaves_no_audit_row(acme):
    version = config_version()

    with pytest.raises(IntegrityError):
        save_tenant(Tenant(name="acme"), actor=ALICE)
    with pytest.raises(ValidationError):
        rows.save(Tenant(name="acme"), actor=ALICE, is_checked=True)

    assert (trail(), config_version()) == ([("create", "tenant", "acme")], version)


def test_services_raise_the_version_without_the_signals(acme):
    uid = "tenants.Tenant.version"
    assert post_save.disconnect(sender=Tenant, dispatch_uid=uid)
    try:
        version = config_version()
        acme.name = "acme 2"
        save_tenant(acme, actor=ALICE)
        assert config_version() == version + 1
        rows.save(Group(name="desk"), actor=ALICE)  # no signal raises it for groups
        assert config_version() == version + 2
    finally:
        post_save.connect(bump_on_change, sender=Tenant, dispatch_uid=uid)


def test_deleting_a_tenant_takes_its_members_and_keys_along_in_one_audit_row(acme):
    bob = create_person(NewPerson(email="Bob@Example.com"), actor=ALICE)
    save_membership(Membership(tenant=acme, user=bob, role="owner"), actor=ALICE)
    create_key(acme, NewKey(name="app"), pepper=PEPPER, actor=ALICE)

    delete_tenant(acme, actor=ALICE)

    assert trail()[-1] == ("delete", "tenant", "acme")
    assert len(trail()) == 5
    assert (Membership.objects.count(), ApiKey.objects.count(), User.objects.count()) == (0, 0, 1)


def test_only_a_revoked_key_is_deleted(acme):
    key = create_key(acme, NewKey(name="app"), pepper=PEPPER, actor=ALICE).key

    with pytest.raises(ValueError, match="revoke it first"):
        delete_key(key, actor=ALICE)
    assert ApiKey.objects.count() == 1

    delete_key(revoke_key(key.pk, actor=ALICE, now=NOW), actor=ALICE)
    assert ApiKey.objects.count() == 0


@pytest.mark.parametrize(("is_super_admin", "password"), [(True, "a good phrase 1"), (False, "")])
def test_a_person_is_added_with_or_without_a_password(is_super_admin, password):
    new = NewPerson(email=" Bob@Example.com ", password=password, is_super_admin=is_super_admin)

    person = User.objects.get(pk=create_person(new, actor=ALICE).pk)

    assert (person.email, person.is_staff, person.is_superuser) == (
        "bob@example.com",
        is_super_admin,
        is_super_admin,
    )
    assert person.has_usable_password() is bool(password)


def test_a_password_is_replaced_and_taken_away():
    person = create_person(NewPerson(email="bob@example.com", password="a good phrase 1"), actor=ALICE)

    set_password(person, "a good phrase 2", actor=ALICE)
    assert User.objects.get().check_password("a good phrase 2")
    set_password(person, None, actor=ALICE)
    assert not User.objects.get().has_usable_password()

    assert [action for action, *_ in trail()] == ["create", "password", "password"]
    assert "argon2" not in str(list(AuditEvent.objects.values()))
