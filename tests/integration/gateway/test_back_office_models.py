"""What cannot serve is refused or reported at once: missing models, prices, providers that are not built."""

from __future__ import annotations

import html

import pytest
from django.urls import reverse

from catalog.models import Deployment, Model, Price
from providers.registry import PROVIDERS
from tenants.caller import SCOPES, SERVED
from tenants.models import ApiKey, Tenant
from tests.support.clients.forms import deployment_fields, post, refusal, said_after

pytestmark = pytest.mark.django_db

KEY = {"name": "App", "priority": "interactive"}
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
