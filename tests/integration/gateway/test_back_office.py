"""Staff look after tenants, people and keys in Django admin."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.contrib.messages import get_messages
from django.urls import reverse

from budgets.models import Budget, RateLimit
from catalog.models import Model
from tenants.api_keys import tokens
from tenants.config_version import config_version
from tenants.models import ApiKey, AuditEvent, Tenant, User
from tests.support.clients.forms import post, refusal

pytestmark = pytest.mark.django_db


def test_a_tenant_with_limits_and_a_budget_is_one_page(client):
    Model.objects.bulk_create(Model(alias=alias) for alias in ("gpt-4o", "demo-chat"))
    fields = {
        "name": "acme",
        "kind": "organization",
        "status": "active",
        "models": "gpt-4o, demo-chat",
        "ratelimits-TOTAL_FORMS": 1,
        "ratelimits-0-requests_per_minute": "60",
        "ratelimits-0-tokens_per_minute": "",
        "ratelimits-0-parallel_requests": "unlimited",
        "budgets-TOTAL_FORMS": 1,
        "budgets-0-limit_nanousd": "12.50",
        "budgets-0-schedule": "weekly",
        "budgets-0-warning_ratio": "0.8",
        "budgets-0-on_insufficient": "refuse",
    }

    post(client, "tenants_tenant_add", fields)

    tenant, limits = Tenant.objects.get(), RateLimit.objects.get()
    assert tenant.models == ["gpt-4o", "demo-chat"]
    assert (limits.requests_per_minute, limits.tokens_per_minute, limits.parallel_requests) == (60, None, -1)
    assert (Budget.objects.get().limit_nanousd, Budget.objects.get().tenant) == (12_500_000_000, tenant)
    assert set(AuditEvent.objects.values_list("action", "resource")) == {
        ("create", "tenant"),
        ("create", "ratelimit"),
        ("create", "budget"),
    }


@pytest.mark.parametrize("limit", ["-1", "0", "many", "1.5", "9" * 30])
def test_a_limit_is_a_number_or_unlimited(client, acme, limit):
    text = refusal(
        client,
        "budgets_ratelimit_add",
        {"tenant": acme.pk, "requests_per_minute": limit},
    )

    assert "positive whole number" in text


def test_a_limit_belongs_to_a_tenant_or_a_key(client):
    assert "either a tenant or an API key" in refusal(
        client, "budgets_ratelimit_add", {"requests_per_minute": "5"}
    )


@pytest.mark.parametrize("amount", ["0", "-1", "1e99", "0.0000000001", "much"])
def test_a_budget_is_an_amount_of_dollars(client, acme, amount):
    fields = {
        "tenant": acme.pk,
        "limit_nanousd": amount,
        "schedule": "weekly",
        "warning_ratio": "0.8",
        "on_insufficient": "refuse",
    }

    refusal(client, "budgets_budget_add", fields)

    assert not Budget.objects.exists()


def test_a_key_made_in_admin_shows_its_token_once(client, acme):
    answer = post(
        client,
        "tenants_apikey_add",
        {
            "tenant": acme.pk,
            "name": "App",
            "scopes": ["chat"],
            "priority": "interactive",
            "allowed_ips": "10.0.0.1/8",
        },
    )

    said = " ".join(str(message) for message in get_messages(answer.wsgi_request))
    prefix, secret = tokens.split(re.findall(r"<code>([^<]+)</code>", said)[0]) or ("", "")
    key = ApiKey.objects.get(prefix=prefix)
    page = client.get(reverse("admin:tenants_apikey_change", args=[key.pk])).content.decode()
    assert tokens.matches(settings.SECRETS.pepper, prefix, secret, key.secret_hmac)
    assert (key.scopes, key.allowed_ips, str(key.created_by)) == (
        ["chat"],
        ["10.0.0.0/8"],
        "root@example.com",
    )
    client.get("/admin/ui/")
    page = client.get(reverse("admin:tenants_apikey_change", args=[key.pk])).content.decode()
    assert secret not in page
    assert key.secret_hmac not in page


def test_keys_are_revoked_and_rotated_from_the_list(client, acme):
    key = ApiKey.objects.create(tenant=acme, name="App", prefix="app", secret_hmac="x" * 64)
    url = reverse("admin:tenants_apikey_changelist")

    client.post(url, {"action": "rotate", "_selected_action": [key.pk]})
    key.refresh_from_db()
    assert (key.secret_hmac != "x" * 64, key.previous_hmac) == (True, "x" * 64)

    asked = client.post(url, {"action": "revoke", "_selected_action": [key.pk]})
    key.refresh_from_db()
    assert ("for good?" in asked.content.decode(), key.revoked_at) == (True, None)
    client.post(url, {"action": "revoke", "_selected_action": [key.pk], "confirmed": "yes"})
    key.refresh_from_db()
    assert key.revoked_at is not None


@pytest.mark.django_db(transaction=True)
def test_every_save_raises_the_version(client):
    before = config_version()

    post(client, "tenants_tenant_add", {"name": "acme", "kind": "organization", "status": "active"})

    assert config_version() > before


def test_a_person_is_added_with_a_password_that_works(client):
    fields = {"email": "Bob@Example.com", "usable_password": "true"}
    post(
        client, "tenants_user_add", fields | {"password1": "a good phrase 1", "password2": "a good phrase 1"}
    )

    assert User.objects.get_by_natural_key("bob@example.com").check_password("a good phrase 1")
    assert "a good phrase" not in str(list(AuditEvent.objects.values()))
    assert "argon2" not in str(list(AuditEvent.objects.values()))


def test_a_password_is_changed_in_admin(client):
    bob = User.objects.create_user("bob@example.com", "a good phrase 1")
    new = {"usable_password": "true", "password1": "a good phrase 2", "password2": "a good phrase 2"}

    answer = client.post(reverse("admin:auth_user_password_change", args=[bob.pk]), new)

    assert answer.status_code == 302
    assert User.objects.get(pk=bob.pk).check_password("a good phrase 2")
