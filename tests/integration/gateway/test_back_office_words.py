"""Messages of the administration for invalid rows: plain words, no names of constraints, and the place."""

from __future__ import annotations

import html

import pytest

from budgets.models import Budget, RateLimit
from catalog.models import Deployment, Model
from tenants.models import ApiKey, Membership, User
from tests.support.clients.forms import deployment_fields, post, refusal

pytestmark = pytest.mark.django_db

BUDGET = {"limit_nanousd": "5", "schedule": "weekly", "warning_ratio": "0.8", "on_insufficient": "refuse"}
TENANT = {"name": "acme", "kind": "organization", "status": "active"}
MODEL = {
    "alias": "gpt-4o",
    "model_type": "llm",
    "strategy": "weighted",
    "enabled": "on",
    "modalities": "text",
}


@pytest.fixture
def key(acme):
    return ApiKey.objects.create(tenant=acme, name="App", prefix="app", secret_hmac="x" * 64)


@pytest.mark.parametrize(
    ("page", "change", "words"),
    [
        ("budgets_budget_add", {}, "Choose either a tenant or an API key."),
        ("budgets_budget_add", {"tenant": "T", "key": "K"}, "Choose either a tenant or an API key."),
        (
            "budgets_budget_add",
            {"tenant": "T", "warning_ratio": "2"},
            "Warn at: a number above 0 and at most 1",
        ),
        (
            "budgets_budget_add",
            {"tenant": "T", "warning_ratio": "0"},
            "Warn at: a number above 0 and at most 1",
        ),
        ("budgets_budget_add", {"key": "K"}, "This API key has a budget with this schedule already"),
        ("budgets_ratelimit_add", {"key": "K"}, "This API key has rate limits already: change those."),
        ("budgets_ratelimit_add", {}, "Choose either a tenant or an API key."),
        ("catalog_deployment_add", {"weight": -1}, "The weight is 0 or more."),
        ("catalog_deployment_add", {"priority": -1}, "The priority is 0 or more."),
        ("catalog_deployment_add", {"shadow_percent": 101}, "The shadow is a percentage from 0 to 100."),
        ("catalog_deployment_add", {"name": "taken"}, "This model has a deployment of this name already."),
        (
            "catalog_model_add",
            MODEL | {"context_window": 0},
            "The context window is a number of tokens above 0",
        ),
        ("catalog_model_add", MODEL | {"max_output_tokens": -5}, "The longest answer is a number of tokens"),
        ("tenants_tenant_add", TENANT, "Tenant with this Name already exists."),
        (
            "tenants_user_add",
            {"email": "ROOT@example.com", "usable_password": "false"},
            "E-mail address already exists.",
        ),
    ],
)
def test_a_violated_constraint_is_reported_in_plain_words(client, acme, key, page, change, words):
    Budget.objects.create(key=key, limit_nanousd=1, schedule="weekly")
    RateLimit.objects.create(key=key, requests_per_minute=1)
    model = Model.objects.create(alias="m")
    Deployment.objects.create(model=model, name="taken", provider="openai", upstream_model="x")
    plain = {"budgets_budget_add": BUDGET, "catalog_deployment_add": deployment_fields(model)}.get(page, {})
    fields = plain | {name: {"T": acme.pk, "K": key.pk}.get(value, value) for name, value in change.items()}

    text = html.unescape(refusal(client, page, fields))

    assert text.count(words) == 1
    assert "Constraint" not in text


@pytest.mark.parametrize(
    ("rows", "fields", "words"),
    [
        ("memberships", {"role": "user"}, "This person is a member of this tenant already."),
        ("budgets", BUDGET, "This tenant has a budget with this schedule already"),
        ("ratelimits", {"requests_per_minute": "5"}, "This tenant has rate limits already"),
    ],
)
def test_what_there_is_already_is_not_added_again_on_its_owners_page(client, acme, rows, fields, words):
    """Django asks the database only there, which answered with an error page."""
    bob = User.objects.create_user("bob@example.com")
    Membership.objects.create(tenant=acme, user=bob)
    Budget.objects.create(tenant=acme, limit_nanousd=1, schedule="weekly")
    RateLimit.objects.create(tenant=acme, requests_per_minute=1)
    if rows == "memberships":
        fields = fields | {"user": bob.pk}
    twice = {f"{rows}-TOTAL_FORMS": 1} | {f"{rows}-0-{name}": value for name, value in fields.items()}
    text = html.unescape(refusal(client, "tenants_tenant_change", TENANT | twice, acme.pk))
    assert words in text


def test_a_deployment_is_not_added_again_on_its_models_page(client):
    model = Model.objects.create(alias="gpt-4o", modalities=["text"])
    Deployment.objects.create(model=model, name="east", provider="openai", upstream_model="x")
    fields = deployment_fields(model) | {"model": model.pk}
    twice = {f"deployments-0-{name}": value for name, value in fields.items()}
    text = refusal(client, "catalog_model_change", MODEL | {"deployments-TOTAL_FORMS": 1} | twice, model.pk)
    assert "This model has a deployment of this name already." in text


@pytest.mark.parametrize(
    ("period", "days", "schedule", "words"),
    [
        ("weekly", "", "weekly", "Weekly budget of acme"),
        ("calendar_month", "", "calendar_month", "Monthly budget of acme"),
        ("rolling", "30", "rolling_30d", "Budget of the last 30 days of acme"),
        ("every", "7", "every_7d", "Budget of every 7 days of acme"),
        ("rolling", "366", "rolling_366d", "Budget of the last 366 days of acme"),
    ],
)
def test_a_schedule_is_chosen_and_its_days_are_a_number(client, acme, period, days, schedule, words):
    fields = BUDGET | {"tenant": acme.pk, "schedule": period, "days": days}
    post(client, "budgets_budget_add", fields)
    budget = Budget.objects.get()
    assert (budget.schedule, str(budget)) == (schedule, words)
    post(client, "budgets_budget_change", fields | {"limit_nanousd": "6"}, budget.pk)
    assert (Budget.objects.get().schedule, Budget.objects.get().limit_nanousd) == (schedule, 6 * 10**9)


@pytest.mark.parametrize(
    ("period", "days", "words"),
    [
        ("rolling", "", "State the number of days"),
        ("every", "0", "greater than or equal to 1"),
        ("rolling", "367", "less than or equal to 366"),
        ("weekly", "7", "leave it empty"),
        ("rolling_30d", "", "Select a valid choice"),
    ],
)
def test_a_schedule_that_is_none_is_refused(client, acme, period, days, words):
    fields = BUDGET | {"tenant": acme.pk, "schedule": period, "days": days}
    assert words in html.unescape(refusal(client, "budgets_budget_add", fields))
    assert not Budget.objects.exists()
