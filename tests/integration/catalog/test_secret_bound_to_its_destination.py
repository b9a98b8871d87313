"""A stored key never follows its row to another address: neither by a form, nor by services, nor in the database."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from catalog.loaders import Source, load_snapshot
from catalog.models import Credential, Deployment
from catalog.services import KeyNeeded, NewDeployment, remove_deployment, upsert_deployment
from catalog.sync import sync_catalog
from gateway.config import Config
from tenants.audit import Actor
from tenants.models import User
from tests.support.clients.forms import (
    KEY,
    NO_INLINES,
    api_key_of,
    deployment_fields,
    metadata_of,
    post,
    refusal,
)

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CANARY = "sk-PROVIDER-KEY-CANARY-0123456789"
ALICE = Actor("alice@example.com")
ROW = {
    "alias": "gpt-4o",
    "provider": "openai",
    "provider_model": "gpt-4o",
    "deployment": "east",
    "api_key": CANARY,
    "price_input": 1,
    "price_output": 1,
}
SECRETS = {"aws_secret_access_key": "buried-treasure", "gcp_project_id": "p1"}
ELSEWHERE = {"provider": "openai-compatible", "endpoint": "https://93.184.215.14/v1"}


@pytest.fixture
def client() -> Client:
    client = Client()
    person = User.objects.create_user("staff@example.com", is_staff=True)
    person.user_permissions.set(
        Permission.objects.filter(
            codename__in=["view_deployment", "change_deployment", "view_model", "change_model"]
        )
    )
    client.force_login(person)
    return client


def stored(**changes) -> Deployment:
    sync_catalog(Config.model_validate({"model_catalog": [{**ROW, **changes}]}), now=NOW)
    return deployment()


def deployment() -> Deployment:
    return Deployment.objects.select_related("credential", "model").get()


def keys_in_use() -> list[str]:
    """Return the keys that the gateway would send, and what is wrong with the rows that it would not call."""
    snapshot = load_snapshot(Source(Config(), KEY), 1, NOW)
    sent = [d.target.secret.reveal() for model in snapshot.models.values() for d in model.deployments]
    return sent + [problem.reason for problem in snapshot.problems]


@pytest.mark.parametrize(
    "elsewhere",
    [
        ELSEWHERE,
        {"endpoint": "http://api.openai.com/v1"},
        {"endpoint": "https://api.openai.com:8443/v1"},
        {"endpoint": "https://api.openai.com.example.net/v1"},
        {"endpoint": "https://api.openai.com@93.184.215.14/v1"},
        {"endpoint": "https://api.openai.com./v1"},
        {"provider": "openai-compatible"},
        {"provider": "azure", "endpoint": "https://93.184.215.14"},
        {"provider": "bedrock"},
        {"provider": "simulator"},
    ],
)
def test_a_form_that_changes_the_origin_needs_the_key_typed_again(client, elsewhere):
    row = stored()

    page = refusal(client, "catalog_deployment_change", deployment_fields(row.model, **elsewhere), row.pk)

    assert "endpoint" in page
    assert deployment().endpoint == ""
    assert keys_in_use() == [CANARY]


def test_the_refusal_names_the_keys_destination(client):
    row = stored()

    page = refusal(client, "catalog_deployment_change", deployment_fields(row.model, **ELSEWHERE), row.pk)

    assert "The stored key is for https://api.openai.com:443." in page
    assert "Type the key for https://93.184.215.14:443 again." in page


def test_a_key_that_is_typed_again_is_used_at_the_new_address_and_the_old_one_is_gone(client):
    row = stored()

    fields = deployment_fields(row.model, api_key="sk-typed-again-000000", **ELSEWHERE)
    post(client, "catalog_deployment_change", fields, row.pk)

    assert keys_in_use() == ["sk-typed-again-000000"]
    assert Credential.objects.count() == 1


def test_removing_the_key_lets_the_row_change_its_endpoint(client):
    row = stored()

    post(
        client,
        "catalog_deployment_change",
        deployment_fields(row.model, forget_key="on", **ELSEWHERE),
        row.pk,
    )

    assert keys_in_use() == [""]
    assert not Credential.objects.exists()


@pytest.mark.parametrize(
    "same", ["", "https://api.openai.com/v1", "https://API.openai.com:443/v1/", "https://api.openai.com/v2"]
)
def test_another_path_of_the_same_origin_keeps_the_key(client, same):
    row = stored()

    post(client, "catalog_deployment_change", deployment_fields(row.model, endpoint=same), row.pk)

    assert keys_in_use() == [CANARY]


def test_the_form_within_the_page_of_the_alias_needs_the_key_too(client):
    row = stored()
    inline = deployment_fields(row.model, id=row.pk, **ELSEWHERE)
    fields = {
        "alias": "gpt-4o",
        "model_type": "llm",
        "strategy": "weighted",
        "enabled": "on",
        "modalities": "",
        "deployments-TOTAL_FORMS": 1,
        "deployments-INITIAL_FORMS": 1,
        **{f"deployments-0-{name}": value for name, value in inline.items()},
    }

    answer = client.post(reverse("admin:catalog_model_change", args=[row.model.pk]), NO_INLINES | fields)

    assert answer.status_code == 200
    assert "Type the key for https://93.184.215.14:443 again." in answer.content.decode()
    assert keys_in_use() == [CANARY]


@pytest.mark.parametrize("elsewhere", [ELSEWHERE, {"provider": "azure"}, {"provider": "bedrock"}])
def test_secrets_in_metadata_are_typed_again_as_well(client, elsewhere):
    row = stored(metadata=SECRETS)
    masked = json.dumps({"aws_secret_access_key": "********", "gcp_project_id": "p2"})
    fields = deployment_fields(row.model, api_key="sk-typed-again-000000", metadata=masked, **elsewhere)

    page = refusal(client, "catalog_deployment_change", fields, row.pk)

    assert "aws_secret_access_key" in page
    assert metadata_of(deployment())["gcp_project_id"] == "p1"


def test_a_mask_is_no_secret(client):
    row = stored()
    fields = deployment_fields(row.model, metadata='{"aws_session_token": "********"}')

    refusal(client, "catalog_deployment_change", fields, row.pk)

    assert deployment().metadata == {}


@pytest.mark.parametrize("elsewhere", [ELSEWHERE, {"endpoint": "http://api.openai.com/v1"}])
def test_services_need_the_key_for_another_origin(elsewhere):
    stored()
    plain = {"alias": "gpt-4o", "name": "east", "provider": "openai", "upstream_model": "gpt-4o"}

    with pytest.raises(KeyNeeded, match=r"api\.openai\.com"):
        upsert_deployment(NewDeployment(**(plain | elsewhere)), key=KEY, actor=ALICE)

    assert keys_in_use() == [CANARY]
    upsert_deployment(NewDeployment(**(plain | elsewhere), api_key="sk-new"), key=KEY, actor=ALICE)
    assert keys_in_use() == ["sk-new"]


def test_a_row_of_the_file_follows_it_to_another_address_with_the_key_that_the_file_gives():
    stored(metadata=SECRETS)

    row = stored(**ELSEWHERE, metadata=SECRETS)

    assert (api_key_of(row), metadata_of(row)) == (CANARY, SECRETS)
    assert keys_in_use() == [CANARY]


def test_a_row_of_the_file_that_moves_without_a_key_has_none():
    stored()

    stored(**ELSEWHERE, api_key="")

    assert keys_in_use() == [""]
    assert not Credential.objects.exists()


@pytest.mark.parametrize(
    "columns",
    [
        ELSEWHERE,
        {"endpoint": "https://evil.example/v1"},
        {"endpoint": "http://api.openai.com/v1"},
        {"seal_id": None},
        {"seal_id": "f" * 32},
    ],
)
def test_a_row_changed_in_the_database_does_not_open_its_key(columns):
    stored()
    Deployment.objects.update(**columns)

    assert keys_in_use() == [
        "the stored credential was given for another address: type it again for this one"
    ]


@pytest.mark.parametrize("how", ["link", "ciphertext", "name and ciphertext"])
def test_a_ciphertext_of_another_row_does_not_open(how):
    other = {**ROW, "alias": "mine", "deployment": "west", "api_key": "sk-mine-0000000000"}
    sync_catalog(Config.model_validate({"model_catalog": [ROW, other]}), now=NOW)
    victim, thief = Deployment.objects.order_by("pk").select_related("credential")
    assert victim.credential is not None
    if how == "link":
        Deployment.objects.filter(pk=thief.pk).update(credential=victim.credential)
    else:
        name, text = victim.credential.name, victim.credential.ciphertext
        Credential.objects.filter(pk=victim.credential.pk).update(name="away")
        row = Credential.objects.filter(deployments=thief)
        row.update(ciphertext=text) if how == "ciphertext" else row.update(name=name, ciphertext=text)

    snapshot = load_snapshot(Source(Config(), KEY), 1, NOW)

    assert "mine" in [problem.alias for problem in snapshot.problems]
    assert snapshot.models["mine"].deployments == ()


def test_a_ciphertext_of_metadata_does_not_open_in_another_row_or_field():
    row = stored(metadata=SECRETS)
    Deployment.objects.update(metadata={"aws_session_token": row.metadata["aws_secret_access_key"]})

    assert keys_in_use() == [
        "the stored 'aws_session_token' was given for another address: type it again for this one"
    ]


def test_removing_a_row_removes_its_secrets(client):
    stored(metadata=SECRETS)

    sync_catalog(Config(), now=NOW)

    remove_deployment("gpt-4o", "east", actor=ALICE)

    assert Deployment.objects.get().metadata == {"gcp_project_id": "p1"}
    assert not Credential.objects.exists()
