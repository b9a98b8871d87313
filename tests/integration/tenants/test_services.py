"""Keys and tenants in a real database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from tenants.api_keys import tokens
from tenants.audit import Actor
from tenants.config_version import config_version
from tenants.models import ApiKey, AuditEvent, Membership, Tenant, User
from tenants.queries import UnknownTenant, tenant_named
from tenants.services import (
    NewKey,
    create_key,
    resume_tenant,
    revoke_key,
    rotate_key,
    suspend_tenant,
)

PEPPER = b"p" * 32
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALICE = Actor("alice@example.com", "192.0.2.7", "curl")


@pytest.fixture
def acme(transactional_db) -> Tenant:
    return Tenant.objects.create(name="acme")


def test_only_the_hash_of_a_new_key_is_stored(acme):
    issued = create_key(acme, NewKey(name="app"), pepper=PEPPER, actor=ALICE)

    prefix, secret = tokens.split(issued.token) or ("", "")
    stored = ApiKey.objects.get(prefix=prefix)
    assert tokens.matches(PEPPER, prefix, secret, stored.secret_hmac)
    assert secret not in str(ApiKey.objects.values().get())


def test_a_bootstrap_key_keeps_its_own_halves(acme):
    issued = create_key(
        acme, NewKey(name="demo", prefix="demo", secret="my-secret"), pepper=PEPPER, actor=ALICE
    )

    assert issued.token == "sk-demo.my-secret"


def test_a_prefix_is_given_once(acme):
    create_key(acme, NewKey(name="one", prefix="demo"), pepper=PEPPER, actor=ALICE)

    with pytest.raises(IntegrityError):
        create_key(acme, NewKey(name="two", prefix="demo"), pepper=PEPPER, actor=ALICE)


def test_revoking_twice_keeps_the_first_instant(acme):
    key = create_key(acme, NewKey(name="app"), pepper=PEPPER, actor=ALICE).key

    revoke_key(key.pk, actor=ALICE, now=NOW)
    revoke_key(key.pk, actor=ALICE, now=NOW + timedelta(days=1))

    assert ApiKey.objects.get().revoked_at == NOW


def test_a_rotated_key_keeps_its_prefix_and_its_old_secret_for_the_overlap(acme):
    issued = create_key(acme, NewKey(name="app"), pepper=PEPPER, actor=ALICE)
    old = issued.key.secret_hmac

    rotated = rotate_key(issued.key.pk, overlap=timedelta(hours=24), pepper=PEPPER, actor=ALICE, now=NOW)

    stored = ApiKey.objects.get()
    prefix, secret = tokens.split(rotated.token) or ("", "")
    assert prefix == issued.key.prefix
    assert tokens.matches(PEPPER, prefix, secret, stored.secret_hmac)
    assert (stored.previous_hmac, stored.previous_until) == (old, NOW + timedelta(hours=24))


def test_rotation_without_overlap_ends_the_old_secret(acme):
    issued = create_key(acme, NewKey(name="app"), pepper=PEPPER, actor=ALICE)

    rotate_key(issued.key.pk, overlap=timedelta(0), pepper=PEPPER, actor=ALICE, now=NOW)

    assert (ApiKey.objects.get().previous_hmac, ApiKey.objects.get().previous_until) == ("", None)


def test_a_revoked_key_cannot_be_rotated(acme):
    key = create_key(acme, NewKey(name="app"), pepper=PEPPER, actor=ALICE).key
    revoke_key(key.pk, actor=ALICE, now=NOW)

    with pytest.raises(ValueError, match="revoked"):
        rotate_key(key.pk, overlap=timedelta(0), pepper=PEPPER, actor=ALICE, now=NOW)


def test_a_tenant_is_suspended_and_resumed(acme):
    assert suspend_tenant(acme.pk, actor=ALICE).status == "suspended"
    assert resume_tenant(acme.pk, actor=ALICE).status == "active"


def test_every_verb_leaves_an_audit_row_without_secrets(acme):
    key = create_key(acme, NewKey(name="app"), pepper=PEPPER, actor=ALICE).key
    rotate_key(key.pk, overlap=timedelta(hours=1), pepper=PEPPER, actor=ALICE, now=NOW)
    revoke_key(key.pk, actor=ALICE, now=NOW)

    events = list(AuditEvent.objects.order_by("pk"))
    assert [event.action for event in events] == ["create", "rotate", "revoke"]
    assert {(event.actor, event.ip, event.resource_id) for event in events} == {
        ("alice@example.com", "192.0.2.7", str(key.pk))
    }
    told = str([(event.before, event.after) for event in events])
    assert key.secret_hmac not in told
    assert "hmac" not in told


def test_each_change_raises_the_version_once_a_transaction(acme):
    before = config_version()

    with transaction.atomic():
        Tenant.objects.create(name="one")
        Tenant.objects.create(name="two")

    assert config_version() == before + 1


def test_a_rolled_back_savepoint_does_not_hide_a_later_change(acme):
    before = config_version()

    with transaction.atomic():
        with pytest.raises(IntegrityError):
            _create_twice("one")
        Tenant.objects.create(name="two")

    assert config_version() == before + 1


@transaction.atomic
def _create_twice(name):
    Tenant.objects.create(name=name)
    Tenant.objects.create(name=name)


def test_using_a_key_or_signing_in_is_no_change(acme):
    key = create_key(acme, NewKey(name="app"), pepper=PEPPER, actor=ALICE).key
    before = config_version()

    key.last_used_at = NOW
    key.save(update_fields=["last_used_at"])

    assert config_version() == before


def test_deleting_a_tenant_is_a_change(acme):
    before = config_version()

    acme.delete()

    assert config_version() == before + 1


def test_an_unknown_tenant_comes_with_names_that_look_like_it(acme):
    with pytest.raises(UnknownTenant) as refused:
        tenant_named("acne")

    assert refused.value.near == ("acme",)


@pytest.mark.parametrize(
    "fields", [{"name": ""}, {"name": "x", "status": "gone"}, {"name": "x", "kind": "club"}, {"name": "acme"}]
)
def test_the_database_refuses_an_impossible_tenant(acme, fields):
    with pytest.raises(IntegrityError):
        Tenant.objects.create(**fields)


def test_e_mail_addresses_are_the_same_in_any_case(acme):
    User.objects.create_user("Bob@Example.com", "a long password")

    assert User.objects.get_by_natural_key("bob@EXAMPLE.com").email == "bob@example.com"
    with pytest.raises(IntegrityError):
        User.objects.create(email="BOB@example.com")


def test_a_person_is_a_member_of_a_tenant_once(acme):
    bob = User.objects.create_user("bob@example.com")
    Membership.objects.create(tenant=acme, user=bob, role="owner")

    with pytest.raises(IntegrityError):
        Membership.objects.create(tenant=acme, user=bob, role="viewer")


def test_a_person_without_a_password_cannot_sign_in(acme):
    assert not User.objects.create_user("bob@example.com").has_usable_password()
