"""Staff look after models, deployments, credentials and prices in Django admin."""

from __future__ import annotations

import pytest
from django.urls import reverse

from catalog.models import Deployment, Model, Price
from catalog.services import refuse_members
from catalog.sync import sync_catalog
from gateway.config import Config
from tenants.audit import Actor
from tenants.models import AuditEvent
from tests.support.clients.forms import NOW, ROW, api_key_of, deployment_fields, metadata_of, post, refusal

pytestmark = pytest.mark.django_db

FREE = {"alias": "m", "provider": "openai", "provider_model": "x", "deployment": "east", "free": True}


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
    assert row.credential is not None
    assert (row.model.alias, row.model.modalities, row.credential.hint) == (
        "gpt-4o",
        ["text", "image"],
        "4567",
    )
    assert api_key_of(row) == "sk-upstream-1234567"


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


def test_stored_api_key_can_be_removed(client):
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
    assert metadata_of(Deployment.objects.get()) == {
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


@pytest.mark.parametrize("behind", ["?api-version=2024-06-01", "#chat", "?"])
def test_an_endpoint_ends_before_its_query(client, behind):
    model = Model.objects.create(alias="gpt-4o")
    fields = deployment_fields(model, endpoint=f"https://8.8.8.8/openai/deployments/d{behind}")
    assert "has a ? or # in it" in refusal(client, "catalog_deployment_add", fields)


def test_the_refusal_of_an_endpoint_says_what_to_configure(client):
    model = Model.objects.create(alias="gpt-4o")

    text = refusal(client, "catalog_deployment_add", deployment_fields(model, endpoint="http://10.0.0.1/v1"))

    assert "server.egress_allow" in text


@pytest.mark.parametrize(
    "timeouts", ['{"total": 0}', '{"totl": 5}', "[]5", '{"total": "5"}', '{"total": true}']
)
def test_form_refuses_invalid_timeouts(client, timeouts):
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


MODEL = {
    "alias": "gpt-4o",
    "model_type": "llm",
    "strategy": "weighted",
    "enabled": "on",
    "modalities": "text",
}


@pytest.mark.parametrize(
    ("alias", "said"),
    [
        ("steedy", "There is no model steedy: did you mean &quot;steady&quot;?"),
        ("gpt-4o", "There is no model gpt-4o."),
        ("vectors", "vectors is of type Embedding."),
        ("buried", "There is no model buried."),
    ],
)
def test_a_fallback_to_what_cannot_answer_is_refused(client, alias, said):
    Model.objects.create(alias="steady")
    Model.objects.create(alias="vectors", model_type="embedding")
    Model.objects.create(alias="buried", removed=True)
    Model.objects.filter(alias="gpt-4o").delete()

    text = refusal(client, "catalog_model_add", MODEL | {"fallbacks": f'{{"unavailable": ["{alias}"]}}'})

    assert said in text


def test_a_model_cannot_fall_back_to_itself_and_may_to_another(client):
    row = Model.objects.create(alias="gpt-4o")
    Model.objects.create(alias="steady", enabled=False)

    own = refusal(
        client, "catalog_model_change", MODEL | {"fallbacks": '{"content_filter": ["gpt-4o"]}'}, row.pk
    )
    post(client, "catalog_model_change", MODEL | {"fallbacks": '{"content_filter": ["steady"]}'}, row.pk)

    assert "gpt-4o would fall back to itself." in own
    assert Model.objects.get(alias="gpt-4o").fallbacks == {"content_filter": ["steady"]}


@pytest.mark.parametrize(
    ("alias", "row", "wanted"),
    [
        ({}, {"upstream_model": "x"}, ["context window", "max_output_tokens"]),
        ({}, {"upstream_model": "x", "capabilities": '{"context_window": 9}'}, ["max_output_tokens"]),
        ({"max_output_tokens": 5}, {"upstream_model": "x"}, ["context window"]),
        ({"context_window": 9, "max_output_tokens": 5}, {"upstream_model": "x"}, []),
        ({"model_type": "embedding"}, {"upstream_model": "x"}, []),
        ({}, {"upstream_model": "gpt-4o"}, []),
    ],
)
def test_the_figures_of_an_unknown_model_are_asked_for(client, alias, row, wanted):
    model = Model.objects.create(**{"alias": "m", "edited": True, "origin": "admin"} | alias)
    added = post(client, "catalog_deployment_add", deployment_fields(model, **row))
    said = [
        str(each) for each in client.get(added.url).context["messages"] if "is known: state it" in str(each)
    ]
    page = client.get(reverse("admin:catalog_deployment_change", args=[Deployment.objects.get().pk]))
    assert [each for each in said if not any(word in each for word in wanted)] == []
    assert len(said) == len(wanted)
    assert page.content.decode().count("is known: state it") == len(wanted)


def test_the_figures_of_a_free_model_are_not_needed(client):
    sync_catalog(Config.model_validate({"model_catalog": [FREE]}))
    row = Deployment.objects.get()
    changed = post(
        client, "catalog_deployment_change", deployment_fields(row.model, upstream_model="x"), row.pk
    )
    assert "is known: state it" not in client.get(changed.url).content.decode()


def test_refused_members_are_cleared_by_an_action_and_by_nothing_else(client):
    sync_catalog(Config.model_validate({"model_catalog": [ROW]}))
    row = Deployment.objects.get()
    refuse_members(row.pk, ["magic", "more"], actor=Actor("call r1"))
    page = reverse("admin:catalog_deployment_change", args=[row.pk])
    assert "magic, more" in client.get(page).content.decode()
    post(client, "catalog_deployment_change", deployment_fields(row.model, refused_members="[]"), row.pk)
    assert Deployment.objects.get().refused_members == ["magic", "more"]

    Deployment.objects.update(edited=False)
    chosen = {"action": "try_members_again", "_selected_action": [row.pk]}
    for _ in range(2):
        assert client.post(reverse("admin:catalog_deployment_changelist"), chosen).status_code == 302

    row = Deployment.objects.get()
    assert (row.refused_members, row.edited) == ([], False), "it still follows the file"
    last = AuditEvent.objects.latest("pk")
    told = [(facts or {})["refused_members"] for facts in (last.before, last.after)]
    assert told == [["magic", "more"], []]
