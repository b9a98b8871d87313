"""What the administration says when something is refused or done: plain words, and what would not work."""

from __future__ import annotations

import html
import io
import logging

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from budgets.models import Budget, RateLimit
from catalog.models import Deployment, Model, Price
from gateway.logs import JsonFormatter, configure, without_blame
from providers.registry import PROVIDERS
from tenants.models import ApiKey, AuditEvent, Membership, Tenant, User
from tenants.paging import MOST_COUNTED
from tenants.scopes import SCOPES, SERVED
from tests.back_office import deployment_fields, post, refusal

pytestmark = pytest.mark.django_db

BUDGET = {"limit_nanousd": "5", "schedule": "weekly", "warning_ratio": "0.8", "on_insufficient": "refuse"}
KEY = {"name": "App", "priority": "interactive"}
TENANT = {"name": "acme", "kind": "organization", "status": "active"}
MODEL = {
    "alias": "gpt-4o",
    "model_type": "llm",
    "strategy": "weighted",
    "enabled": "on",
    "modalities": "text",
}


def said_after(client, answer):
    """Return the messages of the page that a form led to."""
    return [str(each) for each in client.get(answer.url).context["messages"]]


@pytest.fixture
def key(acme):
    return ApiKey.objects.create(tenant=acme, name="App", prefix="app", secret_hmac="x" * 64)


# Constraints


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
def test_a_constraint_is_told_in_plain_words(client, acme, key, page, change, words):
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


# Schedules


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


# Models that do not exist


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ("gpt-nope", "There is no model gpt-nope."),
        ("demo_chat", 'There is no model demo_chat: did you mean "demo-chat"?'),
        ("demo-chat, Demo-Embed", 'There is no model Demo-Embed: did you mean "demo-embed"?'),
        ("buried", "There is no model buried."),
    ],
)
@pytest.mark.parametrize("page", ["tenants_tenant_add", "tenants_apikey_add"])
def test_models_that_do_not_exist_are_refused(client, acme, page, models, words):
    Model.objects.bulk_create(Model(alias=alias) for alias in ("demo-chat", "demo-embed"))
    Model.objects.create(alias="buried", removed=True)
    fields = {
        "tenants_tenant_add": TENANT | {"name": "other"},
        "tenants_apikey_add": KEY | {"tenant": acme.pk},
    }
    text = html.unescape(refusal(client, page, fields[page] | {"models": models}))
    assert words in text
    assert not Tenant.objects.filter(name="other").exists()
    assert not ApiKey.objects.exists()


def test_a_key_is_not_given_what_its_tenant_may_not_use(client, acme):
    Model.objects.bulk_create(Model(alias=alias) for alias in ("demo-chat", "gpt-4o"))
    Tenant.objects.update(models=["demo-chat"])
    text = refusal(client, "tenants_apikey_add", KEY | {"tenant": acme.pk, "models": "demo-chat, gpt-4o"})
    assert "The tenant acme may not use gpt-4o." in html.unescape(text)
    post(client, "tenants_apikey_add", KEY | {"tenant": acme.pk, "models": "demo-chat"})


def test_a_model_that_went_keeps_no_other_change_away(client, acme):
    Tenant.objects.update(models=["gone"])
    post(client, "tenants_tenant_change", TENANT | {"models": "gone", "timezone": "UTC"}, acme.pk)
    assert (Tenant.objects.get().models, Tenant.objects.get().timezone) == (["gone"], "UTC")


# What does not serve is said at once


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"upstream_model": "nobody-knows", "api_key": "sk-x"}, "no price"),
        ({"api_key": ""}, "no API key"),
        ({"provider": "openai-compatible"}, "no endpoint"),
        ({"enabled": ""}, "no deployment that is enabled"),
    ],
)
def test_saving_what_would_not_serve_says_so_at_once(client, row, words):
    fields = deployment_fields(Model(), **{"api_key": "sk-x", **row}) | {"model": ""}
    inline = {f"deployments-0-{name}": value for name, value in fields.items()}
    answer = post(client, "catalog_model_add", MODEL | {"deployments-TOTAL_FORMS": 1} | inline)
    said = said_after(client, answer)
    assert [each for each in said if each.startswith("gpt-4o: ") and words in each], said


def test_saving_what_serves_warns_of_nothing(client):
    fields = deployment_fields(Model(), api_key="sk-x") | {"model": ""}
    inline = {f"deployments-0-{name}": value for name, value in fields.items()}
    answer = post(client, "catalog_model_add", MODEL | {"deployments-TOTAL_FORMS": 1} | inline)
    assert [each for each in said_after(client, answer) if "gpt-4o: " in each] == []


def offered(page):
    field = page.context["adminform"].form.fields["provider"]
    return {value: str(label) for value, label in field.choices if value}


def test_providers_that_are_not_built_are_not_offered(client):
    assert offered(client.get(reverse("admin:catalog_deployment_add"))).keys() == PROVIDERS.keys()
    row = Deployment.objects.create(
        model=Model.objects.create(alias="m"), name="old", provider="bedrock", upstream_model="x"
    )
    shown = offered(client.get(reverse("admin:catalog_deployment_change", args=[row.pk])))
    assert shown["bedrock"] == "Amazon Bedrock (not built yet)"


def test_only_what_there_is_is_offered(client, key):
    key.scopes = ["images"]
    key.save()
    choices = (
        client.get(reverse("admin:tenants_apikey_add")).context["adminform"].form.fields["scopes"].choices
    )
    kept = client.get(reverse("admin:tenants_apikey_change", args=[key.pk])).content.decode()
    assert {value for value, _ in choices} == set(SERVED) < set(SCOPES)
    assert "Images (not served yet)" in kept
    for page in ("budgets_budget_add", "tenants_tenant_add"):
        assert "alert_" not in client.get(reverse(f"admin:{page}")).content.decode()


# Prices


@pytest.mark.parametrize(
    ("price", "words"),
    [
        ({"input": 2_500_000_000, "output": 10**10}, "input 2.5, output 10 USD per 1M tokens"),
        ({"image": 4 * 10**13, "input": 1}, "input 0.000000001 USD per 1M tokens; image 0.04 USD each"),
        ({"free": True}, "free"),
        (None, "none: its calls are refused"),
    ],
)
def test_the_price_in_force_is_on_the_pages_of_model_and_deployment(client, price, words):
    model = Model.objects.create(alias="m")
    row = Deployment.objects.create(
        model=model, name="east", provider="openai-compatible", upstream_model="x"
    )
    if price is not None:
        Price.objects.create(deployment=row, **price)
    for page, pk in (("catalog_deployment_change", row.pk), ("catalog_model_change", model.pk)):
        assert words in client.get(reverse(f"admin:{page}", args=[pk])).content.decode()


def test_every_field_of_a_price_has_its_unit(client):
    row = Deployment.objects.create(
        model=Model.objects.create(alias="m"), name="east", provider="openai", upstream_model="x"
    )
    page = client.get(reverse("admin:catalog_deployment_change", args=[row.pk])).content.decode()
    for words in (
        "Input (USD per 1M tokens)",
        "Output (USD per 1M tokens)",
        "Cached input (USD per 1M tokens)",
    ):
        assert words in page
    for words in ("Image (USD each)", "Second (USD each)", "Request (USD each)"):
        assert words in page
    assert "from now ons" not in page


# Keys


def page_of(client, key):
    return client.get(reverse("admin:tenants_apikey_change", args=[key.pk]))


def test_a_key_is_revoked_on_its_own_page_after_a_question(client, key):
    url = reverse("admin:tenants_apikey_revoke_key", args=[key.pk])
    assert url in page_of(client, key).content.decode()
    for ask in (client.get(url), client.get(url, {"confirmed": "yes"}), client.post(url)):
        assert "Revoke App (sk-app) for good?" in html.unescape(ask.content.decode())
    assert ApiKey.objects.get().revoked_at is None

    done = client.post(url, {"confirmed": "yes"})

    assert said_after(client, done) == ["App (sk-app) is revoked: its calls are refused."]
    assert ApiKey.objects.get().revoked_at is not None
    page = page_of(client, key).content.decode()
    assert "This API key was revoked on" in page
    assert url not in page
    assert said_after(client, client.post(url, {"confirmed": "yes"})) == ["App (sk-app) was revoked before."]


def test_a_question_needs_the_token_of_its_form(key):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.create_superuser("other@example.com"))
    url = reverse("admin:tenants_apikey_revoke_key", args=[key.pk])
    assert strict.post(url, {"confirmed": "yes"}).status_code == 403
    assert ApiKey.objects.get().revoked_at is None


def test_several_keys_are_revoked_from_the_list_and_each_is_told(client, acme):
    rows = [
        ApiKey.objects.create(tenant=acme, name=f"k{n}", prefix=f"k{n}", secret_hmac="x") for n in range(3)
    ]
    action = {"action": "revoke", "_selected_action": [row.pk for row in rows]}
    url = reverse("admin:tenants_apikey_changelist")
    assert "these 3 API keys for good" in client.post(url, action).content.decode()
    done = client.post(url, action | {"confirmed": "yes"})
    assert len([each for each in said_after(client, done) if "is revoked" in each]) == 3


def test_all_rows_of_all_pages_are_asked_about_and_done(client, acme):
    names = [f"k{n:03}" for n in range(120)]
    ApiKey.objects.bulk_create(ApiKey(tenant=acme, name=n, prefix=n, secret_hmac="x") for n in names)
    first = ApiKey.objects.first()
    assert first is not None
    url = reverse("admin:tenants_apikey_changelist")
    action = {"action": "revoke", "_selected_action": [first.pk], "select_across": "1"}
    page = client.post(url, action).content.decode()
    assert "these 120 API keys for good" in page
    assert "and 20 more." in page
    assert page.count('name="_selected_action"') == 1, "a form of any length fits"
    assert 'name="select_across" value="1"' in page
    done = client.post(url, action | {"confirmed": "yes"})
    assert said_after(client, done) == ["120 API keys are revoked: their calls are refused."]
    assert not ApiKey.objects.filter(revoked_at=None).exists()


def test_a_key_in_force_is_not_deleted_and_a_revoked_one_may_be(client, key):
    delete = reverse("admin:tenants_apikey_delete", args=[key.pk])
    assert delete not in page_of(client, key).content.decode()
    assert said_after(client, client.post(delete, {"post": "yes"})) == [
        "App (sk-app) is in force: revoke it first."
    ]
    chosen = {"action": "delete_selected", "_selected_action": [key.pk], "post": "yes"}
    client.post(reverse("admin:tenants_apikey_changelist"), chosen)
    assert ApiKey.objects.count() == 1

    client.post(reverse("admin:tenants_apikey_revoke_key", args=[key.pk]), {"confirmed": "yes"})
    assert delete in page_of(client, key).content.decode()
    client.post(delete, {"post": "yes"})
    assert not ApiKey.objects.exists()


def test_suspending_asks_and_tells(client, acme):
    action = {"action": "suspend", "_selected_action": [acme.pk]}
    url = reverse("admin:tenants_tenant_changelist")
    assert "Suspend this tenant?" in client.post(url, action).content.decode()
    assert Tenant.objects.get().status == "active"
    assert said_after(client, client.post(url, action | {"confirmed": "yes"})) == [
        "acme is suspended: its keys are refused."
    ]
    resumed = client.post(url, action | {"action": "resume"})
    assert said_after(client, resumed) == ["acme is active: its keys work again."]


def test_who_may_not_change_keys_may_not_revoke_one(key):
    person = User.objects.create_user("reader@example.com", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename="view_apikey"))
    reader = Client()
    reader.force_login(person)
    url = reverse("admin:tenants_apikey_revoke_key", args=[key.pk])
    assert url not in page_of(reader, key).content.decode()
    assert reader.post(url, {"confirmed": "yes"}).status_code == 403
    assert ApiKey.objects.get().revoked_at is None


# The audit trail


def test_the_trail_names_its_objects_and_shows_what_changed(client, acme, key):
    post(client, "tenants_apikey_change", KEY | {"name": "Renamed", "allowed_ips": "10.0.0.0/8"}, key.pk)
    post(client, "budgets_budget_add", BUDGET | {"tenant": acme.pk})
    post(
        client,
        "budgets_budget_change",
        BUDGET | {"tenant": acme.pk, "limit_nanousd": "20"},
        Budget.objects.get().pk,
    )

    page = html.unescape(client.get(reverse("admin:tenants_auditevent_changelist")).content.decode())

    assert ">Renamed (sk-app)</a>" in page
    assert reverse("admin:tenants_apikey_change", args=[key.pk]) in page
    assert "Name: App → Renamed" in page
    assert ">Weekly budget of acme</a>" in page
    assert "Limit in USD: 5 → 20" in page


@pytest.mark.parametrize("text", ["root@example.com", "Renamed (sk-app)", "sk-app", "app", "Renamed"])
def test_the_trail_is_searched_by_whole_words(client, key, text):
    post(client, "tenants_apikey_change", KEY | {"name": "Renamed"}, key.pk)
    found = client.get(reverse("admin:tenants_auditevent_changelist"), {"q": text}).context["cl"].result_list
    assert [event.resource_id for event in found] == [str(key.pk)]


def test_history_is_that_of_the_trail(client, acme, key):
    url = reverse("admin:tenants_apikey_history", args=[key.pk])
    assert "Nobody has changed this" in client.get(url).content.decode()
    AuditEvent.objects.create(
        actor="bootstrap", action="create", resource="apikey", resource_id=str(key.pk), after={"name": "App"}
    )
    AuditEvent.objects.create(actor="x", action="create", resource="apikey", resource_id="99", after={})
    post(client, "tenants_apikey_change", KEY | {"name": "Renamed"}, key.pk)

    page = client.get(url).content.decode()

    assert ("by bootstrap" in page, "by root@example.com" in page, "by x" in page) == (True, True, False)
    assert "<td>App</td><td>Renamed</td>" in page


def test_a_secret_is_in_no_history(client, key):
    client.post(
        reverse("admin:tenants_apikey_changelist"), {"action": "rotate", "_selected_action": [key.pk]}
    )
    key.refresh_from_db()
    page = client.get(reverse("admin:tenants_apikey_history", args=[key.pk])).content.decode()
    assert key.secret_hmac not in page
    assert "x" * 64 not in page


# Refusals and long lists


@pytest.mark.parametrize(
    "path",
    ["tenants_tenant_changelist", "catalog_model_add", "budgets_budget_changelist", "tenants_user_add"],
)
def test_a_page_that_one_may_not_open_says_so_and_leaves_no_traceback(path):
    staff = Client()
    staff.force_login(User.objects.create_user("staff@example.com", is_staff=True))
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(without_blame)
    logger = logging.getLogger("django.request")
    logger.addHandler(handler)
    try:
        answer = staff.get(reverse(f"admin:{path}"))
    finally:
        logger.removeHandler(handler)
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "You may not do this" in page
    assert reverse("admin:index") in page
    assert "Forbidden" in lines.getvalue()
    assert "raceback" not in lines.getvalue()


def test_a_defect_keeps_its_traceback():
    record = logging.LogRecord(
        "django.request", logging.ERROR, "", 0, "x", (), (ValueError, ValueError(), None)
    )
    record.status_code = 500
    assert without_blame(record)
    assert record.exc_info


def test_the_filter_is_in_force(monkeypatch):
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    level = root.level
    configure("json")
    root.setLevel(level)
    assert without_blame in root.handlers[0].filters


def test_a_long_list_says_more_than_it_counted(client, monkeypatch):
    monkeypatch.setattr("tenants.paging.MOST_COUNTED", 60)
    Tenant.objects.bulk_create(Tenant(name=f"t{n:03}") for n in range(61))
    page = client.get(reverse("admin:tenants_tenant_changelist")).content.decode()
    assert "more than 60" in page
    assert "Show all" not in page
    Tenant.objects.filter(name="t060").delete()
    exact = client.get(reverse("admin:tenants_tenant_changelist")).content.decode()
    assert ("more than" in exact, "60" in exact) == (False, True)
    assert MOST_COUNTED == 10_000


def test_what_was_searched_can_be_cleared(client, acme):
    page = client.get(reverse("admin:tenants_tenant_changelist"), {"q": "acme"}).content.decode()
    assert "1 found" in page
    assert "Clear search and filters" in page
