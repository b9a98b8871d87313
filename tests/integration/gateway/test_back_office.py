"""Staff do the whole job in Django admin: people, keys, models, prices, limits, money, and a ledger to look at."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from budgets.models import Budget, RateLimit, SpendWindow
from catalog.encryption import decrypt, open_metadata
from catalog.models import Deployment, Model, Price
from catalog.sync import sync_catalog
from gateway.config import Config
from metering.models import UsageEvent
from tenants import keys
from tenants.models import ApiKey, AuditEvent, Tenant, User
from tenants.queries import config_version

pytestmark = pytest.mark.django_db
KEY = settings.SECRETS.encryption_key
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROW = {
    "alias": "gpt-4o",
    "provider": "openai",
    "provider_model": "gpt-4o",
    "deployment": "east",
    "price_input": 1,
}
NO_INLINES = {
    f"{prefix}-{name}": 0
    for prefix in ("memberships", "ratelimits", "budgets", "deployments", "prices")
    for name in ("TOTAL_FORMS", "INITIAL_FORMS")
}


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com", "a long password"))
    return client


@pytest.fixture
def acme() -> Tenant:
    return Tenant.objects.create(name="acme")


def post(client, page, fields, *arguments):
    answer = client.post(reverse(f"admin:{page}", args=arguments), NO_INLINES | fields)
    errors = answer.context["errors"] if answer.status_code == 200 else ""
    assert answer.status_code == 302, errors
    return answer


def refusal(client, page, fields, *arguments) -> str:
    answer = client.post(reverse(f"admin:{page}", args=arguments), NO_INLINES | fields)
    assert answer.status_code == 200
    return answer.content.decode()


def deployment_fields(model, **changes):
    plain = {
        "model": model.pk,
        "name": "east",
        "provider": "openai",
        "upstream_model": "gpt-4o",
        "endpoint": "",
        "priority": 0,
        "weight": 100,
        "enabled": "on",
        "timeouts": "{}",
        "metadata": "{}",
    }
    return plain | changes


def test_a_tenant_with_limits_and_a_budget_is_one_page(client):
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
        "budgets-0-alert_cooldown_s": "60",
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
    assert "either a tenant or a key" in refusal(
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
        "alert_cooldown_s": "60",
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
    prefix, secret = keys.split(re.findall(r"<code>([^<]+)</code>", said)[0]) or ("", "")
    key = ApiKey.objects.get(prefix=prefix)
    page = client.get(reverse("admin:tenants_apikey_change", args=[key.pk])).content.decode()
    assert keys.matches(settings.SECRETS.pepper, prefix, secret, key.secret_hmac)
    assert (key.scopes, key.allowed_ips, key.created_by.email) == (
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

    client.post(url, {"action": "revoke", "_selected_action": [key.pk]})
    key.refresh_from_db()
    assert key.revoked_at is not None


def test_a_model_and_its_deployment_are_one_page(client):
    fields = {
        "alias": "gpt-4o",
        "model_type": "llm",
        "strategy": "weighted",
        "enabled": "on",
        "modalities": "text, image",
        "deployments-TOTAL_FORMS": 1,
        **{
            f"deployments-0-{k}": v
            for k, v in (deployment_fields(Model(), api_key="sk-upstream-1234567") | {"model": ""}).items()
        },
    }

    post(client, "catalog_model_add", fields)

    row = Deployment.objects.select_related("credential", "model").get()
    assert (row.model.alias, row.model.modalities, row.credential.hint) == (
        "gpt-4o",
        ["text", "image"],
        "4567",
    )
    assert decrypt(KEY, row.credential.name, row.credential.ciphertext) == "sk-upstream-1234567"


def test_a_stored_api_key_is_never_shown_and_empty_keeps_it(client):
    sync_catalog(Config.model_validate({"model_catalog": [{**ROW, "api_key": "sk-upstream-1234567"}]}))
    row = Deployment.objects.get()

    page = client.get(reverse("admin:catalog_deployment_change", args=[row.pk])).content.decode()
    post(client, "catalog_deployment_change", deployment_fields(row.model, weight=5), row.pk)

    row = Deployment.objects.select_related("credential").get()
    assert ("sk-upstream" in page, "ends in …4567" in page) == (False, True)
    assert (row.weight, row.edited) == (5, True)
    assert row.credential is not None
    assert "sk-upstream" not in str(list(AuditEvent.objects.values()))


def test_a_stored_api_key_can_be_forgotten(client):
    sync_catalog(Config.model_validate({"model_catalog": [{**ROW, "api_key": "sk-upstream-1234567"}]}))
    row = Deployment.objects.get()

    post(client, "catalog_deployment_change", deployment_fields(row.model, forget_key="on"), row.pk)

    assert Deployment.objects.get().credential is None


def test_secret_metadata_is_masked_and_kept(client):
    secret = {"aws_secret_access_key": "buried-treasure", "gcp_project_id": "p1"}
    sync_catalog(Config.model_validate({"model_catalog": [{**ROW, "metadata": secret}]}))
    row = Deployment.objects.get()

    page = client.get(reverse("admin:catalog_deployment_change", args=[row.pk])).content.decode()
    masked = '{"aws_secret_access_key": "********", "gcp_project_id": "p2"}'
    post(client, "catalog_deployment_change", deployment_fields(row.model, metadata=masked), row.pk)

    assert "buried-treasure" not in page
    assert "v1:" not in page
    assert open_metadata(KEY, Deployment.objects.get().metadata) == {
        "aws_secret_access_key": "buried-treasure",
        "gcp_project_id": "p2",
    }


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:9/v1", "http://169.254.169.254/", "file:///etc/passwd"]
)
def test_an_endpoint_may_not_lead_inside(client, endpoint):
    model = Model.objects.create(alias="gpt-4o")

    refusal(client, "catalog_deployment_add", deployment_fields(model, endpoint=endpoint))

    assert not Deployment.objects.exists()


def test_the_refusal_of_an_endpoint_says_what_to_configure(client):
    model = Model.objects.create(alias="gpt-4o")

    text = refusal(client, "catalog_deployment_add", deployment_fields(model, endpoint="http://10.0.0.1/v1"))

    assert "server.egress_allow" in text


@pytest.mark.parametrize(
    "timeouts", ['{"total": 0}', '{"totl": 5}', "[]5", '{"total": "5"}', '{"total": true}']
)
def test_it_refuses_timeouts_that_are_none(client, timeouts):
    model = Model.objects.create(alias="gpt-4o")

    refusal(client, "catalog_deployment_add", deployment_fields(model, timeouts=timeouts))

    assert not Deployment.objects.exists()


def test_a_new_price_closes_the_one_in_force(client):
    sync_catalog(Config.model_validate({"model_catalog": [ROW]}), now=NOW)
    row = Deployment.objects.get()

    post(client, "catalog_price_add", {"deployment": row.pk, "input": "2.5", "image": "0.04", "images": "[]"})

    old, new = Price.objects.order_by("active_from")
    assert (old.active_to, new.active_to, new.source) == (new.active_from, None, "admin")
    assert (new.input, new.image, new.output) == (2_500_000_000, 40_000_000_000_000, None)


def test_a_price_is_added_on_the_deployments_page(client):
    sync_catalog(Config.model_validate({"model_catalog": [ROW]}), now=NOW)
    row = Deployment.objects.get()

    fields = deployment_fields(row.model) | {"prices-TOTAL_FORMS": 1, "prices-0-input": "3"}
    post(client, "catalog_deployment_change", fields, row.pk)

    assert Price.objects.get(active_to=None).input == 3_000_000_000
    assert Price.objects.count() == 2


def test_a_price_that_says_nothing_is_refused(client):
    sync_catalog(Config.model_validate({"model_catalog": [ROW]}), now=NOW)

    text = refusal(client, "catalog_price_add", {"deployment": Deployment.objects.get().pk, "images": "[]"})

    assert "State a price" in text


def test_a_deleted_deployment_stays_away_and_can_be_added_again(client):
    sync_catalog(Config.model_validate({"model_catalog": [ROW]}), now=NOW)
    row = Deployment.objects.get()

    client.post(reverse("admin:catalog_deployment_delete", args=[row.pk]), {"post": "yes"})
    sync_catalog(Config.model_validate({"model_catalog": [ROW]}), now=NOW)
    assert Deployment.objects.get().removed

    post(client, "catalog_deployment_add", deployment_fields(row.model, weight=9))
    again = Deployment.objects.get()
    assert (again.pk, again.removed, again.weight, again.edited) == (row.pk, False, 9, True)


def test_a_deleted_model_can_be_added_again(client):
    sync_catalog(Config.model_validate({"model_catalog": [ROW]}), now=NOW)
    model = Model.objects.get()
    client.post(reverse("admin:catalog_model_delete", args=[model.pk]), {"post": "yes"})
    assert Model.objects.get().removed

    fields = {
        "alias": "gpt-4o",
        "model_type": "llm",
        "strategy": "cost",
        "enabled": "on",
        "modalities": "text",
    }
    post(client, "catalog_model_add", fields)

    assert (Model.objects.get().removed, Model.objects.get().strategy) == (False, "cost")


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


def ledger_row(number: int) -> UsageEvent:
    return UsageEvent(
        id=f"req_{number}",
        started_at=NOW + timedelta(seconds=number),
        finished_at=NOW,
        tenant_id=1,
        tenant="acme",
        key_id=1,
        api_key_prefix="app",
        endpoint="chat",
        model="gpt-4o",
        provider="openai",
        deployment="east",
        upstream_model="gpt-4o",
        status="ok",
        http_status=200,
        cost_nanousd=1_500_000,
    )


def test_the_ledger_can_be_read_and_not_touched(client):
    event = ledger_row(1)
    event.save()
    change = reverse("admin:metering_usageevent_change", args=[event.pk])

    assert "0.0015" in client.get(change).content.decode()
    assert client.post(change, {"cost_nanousd": 0}).status_code == 403
    assert client.get(reverse("admin:metering_usageevent_add")).status_code == 403
    assert (
        client.post(reverse("admin:metering_usageevent_delete", args=[event.pk]), {"post": "yes"}).status_code
        == 403
    )


def fill(numbers):
    tenants = Tenant.objects.bulk_create(Tenant(name=f"t{n}") for n in numbers)
    members = User.objects.bulk_create(User(email=f"p{n}@example.com") for n in numbers)
    owned = ApiKey.objects.bulk_create(
        ApiKey(tenant=tenant, name="k", prefix=f"k{tenant.name}", secret_hmac="x") for tenant in tenants
    )
    RateLimit.objects.bulk_create(RateLimit(key=key, requests_per_minute=1) for key in owned)
    Budget.objects.bulk_create(Budget(tenant=tenant, limit_nanousd=1) for tenant in tenants)
    rows = [{**ROW, "alias": f"m{n}", "api_key": "sk-upstream-1234567"} for n in range(max(numbers) + 1)]
    sync_catalog(Config.model_validate({"model_catalog": rows}), now=NOW)
    UsageEvent.objects.bulk_create(ledger_row(n) for n in numbers)
    return members


PAGES = {
    "auth_group": Group,
    "tenants_user": User,
    "tenants_tenant": Tenant,
    "tenants_apikey": ApiKey,
    "tenants_auditevent": AuditEvent,
    "catalog_model": Model,
    "catalog_deployment": Deployment,
    "catalog_price": Price,
    "budgets_ratelimit": RateLimit,
    "budgets_budget": Budget,
    "budgets_spendwindow": SpendWindow,
    "metering_usageevent": UsageEvent,
}


@pytest.mark.parametrize("page", PAGES)
def test_a_list_costs_the_same_number_of_queries_however_long(client, page):
    url = reverse(f"admin:{page}_changelist")
    fill(range(2))
    client.get(url)

    with CaptureQueriesContext(connection) as few:
        assert client.get(url).status_code == 200
    fill(range(2, 12))
    with CaptureQueriesContext(connection) as many:
        assert client.get(url).status_code == 200

    assert len(many) <= len(few)


@pytest.mark.parametrize("page", PAGES)
def test_each_page_opens_and_searches(client, page):
    fill(range(2))
    url = reverse(f"admin:{page}_changelist")

    assert client.get(url, {"q": "k"}).status_code == 200
    first = PAGES[page].objects.first()
    assert first is None or client.get(reverse(f"admin:{page}_change", args=[first.pk])).status_code == 200
    assert client.get(reverse(f"admin:{page}_add")).status_code in {200, 403}
