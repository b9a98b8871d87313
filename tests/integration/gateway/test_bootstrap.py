"""The bootstrap section in a real database."""

from __future__ import annotations

import pytest
from django.conf import settings

from budgets.models import Budget, RateLimit
from gateway.bootstrap import bootstrap
from gateway.config import Config
from tenants.api_keys import tokens
from tenants.config_version import config_version
from tenants.models import ApiKey, AuditEvent, Membership, Tenant, User

PEPPER = settings.SECRETS.pepper
KEY = {"tenant": "demo", "prefix": "demo", "secret": "my-secret", "name": "Demo"}
SECTION = {
    "tenants": [{"name": "demo"}],
    "admin_users": [{"email": "Admin@Example.com", "password": "admin-password"}],
    "memberships": [{"tenant": "demo", "email": "admin@example.com", "role": "owner"}],
    "api_keys": [{**KEY, "budget_usd": 2, "rate_limit": {"requests_per_minute": 60}}],
    "tenant_limits": [{"tenant": "demo", "tokens_per_minute": 1000, "parallel_requests": "unlimited"}],
    "tenant_budgets": [{"tenant": "demo", "budget_usd": 10, "refresh_schedule": "weekly"}],
}

pytestmark = pytest.mark.django_db(transaction=True)


def run(*, update=False, **changes) -> list[str]:
    return bootstrap(Config.model_validate({"bootstrap": {**SECTION, **changes}}), update=update)


def test_bootstrap_creates_what_is_missing():
    run()

    key = ApiKey.objects.get(prefix="demo")
    admin = User.objects.get(email="admin@example.com")
    assert tokens.matches(PEPPER, "demo", "my-secret", key.secret_hmac)
    assert (admin.is_super_admin, admin.is_staff, admin.check_password("admin-password")) == (
        True,
        True,
        True,
    )
    assert Membership.objects.get(user=admin, tenant__name="demo").role == "owner"
    assert RateLimit.objects.get(key=key).requests_per_minute == 60
    assert RateLimit.objects.get(tenant__name="demo").parallel_requests == -1
    assert Budget.objects.get(tenant__name="demo").limit_nanousd == 10 * 10**9
    assert (Budget.objects.get(key=key).schedule, Budget.objects.get(key=key).limit_nanousd) == (
        "calendar_month",
        2 * 10**9,
    )


def test_a_second_run_does_nothing():
    run()
    version, events = config_version(), AuditEvent.objects.count()

    assert run() == []
    assert (config_version(), AuditEvent.objects.count()) == (version, events)


def test_bootstrap_never_resets_a_password():
    run()
    admin = User.objects.get()
    admin.set_password("another password")
    admin.save()

    run(update=True)

    assert User.objects.get().check_password("another password")


def test_bootstrap_prints_a_generated_token_once():
    messages = run(api_keys=[{"tenant": "demo", "name": "App"}])

    token = next(message for message in messages if "sk-" in message and "once" in message).split()[-1]
    prefix, secret = tokens.split(token) or ("", "")
    assert tokens.matches(PEPPER, prefix, secret, ApiKey.objects.get(prefix=prefix).secret_hmac)
    assert run(api_keys=[{"tenant": "demo", "name": "App"}]) == []


def test_a_secret_of_the_file_is_not_said():
    assert "my-secret" not in " ".join(run())


@pytest.mark.parametrize("model", [ApiKey, User, Membership, Budget, RateLimit])
def test_what_an_administrator_deleted_stays_deleted(model):
    run()
    model.objects.all().delete()

    run()

    assert not model.objects.exists()


def test_an_update_brings_back_what_was_deleted():
    run()
    Budget.objects.all().delete()

    run(update=True)

    assert Budget.objects.count() == 2


def test_limits_and_budgets_follow_the_file():
    run()

    run(
        tenant_budgets=[{"tenant": "demo", "budget_usd": 25, "refresh_schedule": "weekly"}],
        tenant_limits=[{"tenant": "demo", "requests_per_minute": 7}],
    )

    limits = RateLimit.objects.get(tenant__name="demo")
    assert Budget.objects.get(tenant__name="demo").limit_nanousd == 25 * 10**9
    assert (limits.requests_per_minute, limits.tokens_per_minute) == (7, None)


def test_a_changed_schedule_replaces_the_budget():
    run()

    run(tenant_budgets=[{"tenant": "demo", "budget_usd": 10, "refresh_schedule": "daily"}])

    assert Budget.objects.get(tenant__name="demo").schedule == "daily"


def test_a_budget_that_left_the_file_goes_and_can_come_back():
    run()

    run(tenant_budgets=[])
    assert not Budget.objects.filter(tenant__name="demo").exists()

    run()
    assert Budget.objects.filter(tenant__name="demo").exists()


def test_a_key_that_left_the_file_keeps_its_budget():
    run()

    run(api_keys=[])

    assert Budget.objects.filter(key__prefix="demo").exists()


def test_an_administrators_budget_wins_over_the_file():
    run()
    Budget.objects.filter(tenant__name="demo").update(limit_nanousd=5, edited=True)

    run(tenant_budgets=[{"tenant": "demo", "budget_usd": 25, "refresh_schedule": "weekly"}])

    assert Budget.objects.get(tenant__name="demo").limit_nanousd == 5


def test_an_administrators_edits_of_people_and_keys_are_kept():
    run()
    Tenant.objects.update(status="suspended")
    ApiKey.objects.update(name="Mine")
    Membership.objects.update(role="viewer")

    run()

    assert (Tenant.objects.get().status, ApiKey.objects.get().name, Membership.objects.get().role) == (
        "suspended",
        "Mine",
        "viewer",
    )


def test_an_update_overwrites_edits_but_revives_no_revoked_key():
    run()
    Tenant.objects.update(status="suspended")
    ApiKey.objects.update(name="Mine", revoked_at="2026-01-01T00:00Z")

    run(update=True)

    assert (Tenant.objects.get().status, ApiKey.objects.get().name) == ("active", "Demo")
    assert ApiKey.objects.get().revoked_at is not None


def test_a_key_of_an_unknown_tenant_is_skipped_with_a_message():
    messages = run(api_keys=[{**KEY, "tenant": "nobody"}])

    assert "Skipped the key demo: there is no tenant nobody." in messages
