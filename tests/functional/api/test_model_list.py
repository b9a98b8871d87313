"""GET /v1/models and /v1/models/{id}: the models that a key may use, and no others."""

from __future__ import annotations

import pytest

from tests.support import sample


async def get(gateway, path, key):
    async with gateway.client(key) as client:
        return await client.get(path)


async def test_model_list_has_the_aliases_in_openais_shape(shared_gateway):
    answer = await get(shared_gateway, "/v1/models", sample.ALICE)
    assert answer.status_code == 200
    body = answer.json()
    assert body["object"] == "list"
    assert {"chat", "embed", "pair", "dead", *sample.POOL} <= {model["id"] for model in body["data"]}
    for model in body["data"]:
        assert set(model) == {"id", "object", "created", "owned_by"}
        assert model["object"] == "model"
        assert model["created"] > 1_700_000_000


async def test_model_list_names_no_upstream_model_and_no_address(shared_gateway):
    text = (await get(shared_gateway, "/v1/models", sample.ALICE)).text
    assert "up-" not in text
    assert "127.0.0.1" not in text


async def test_a_restricted_key_sees_only_its_models(shared_gateway):
    listed = (await get(shared_gateway, "/v1/models", sample.ONLY_CHAT_MODEL)).json()["data"]
    assert [model["id"] for model in listed] == ["chat"]


async def test_a_key_for_embeddings_may_list(shared_gateway):
    assert (await get(shared_gateway, "/v1/models", sample.ONLY_EMBEDDINGS)).status_code == 200


async def test_model_endpoint_describes_one_model(shared_gateway):
    listed = (await get(shared_gateway, "/v1/models", sample.ALICE)).json()["data"]
    answer = await get(shared_gateway, "/v1/models/chat", sample.ALICE)
    assert answer.json() == next(model for model in listed if model["id"] == "chat")


async def test_forbidden_model_looks_like_an_unknown_one(shared_gateway):
    hidden = await get(shared_gateway, "/v1/models/m1", sample.ONLY_CHAT_MODEL)
    absent = await get(shared_gateway, "/v1/models/m0", sample.ONLY_CHAT_MODEL)
    assert hidden.status_code == absent.status_code == 404
    assert hidden.json()["error"]["code"] == "model_not_found"
    assert hidden.text.replace("m1", "m0") == absent.text


@pytest.mark.parametrize(
    ("key", "status"),
    [(None, 401), ("sk-nobody.nothing", 401), (sample.EXPIRED, 401), (sample.SUSPENDED, 403)],
)
async def test_model_list_requires_a_key(shared_gateway, key, status):
    assert (await get(shared_gateway, "/v1/models", key)).status_code == status


async def test_an_alias_may_contain_a_slash(gateway_factory, upstream):
    gateway = gateway_factory({"model_catalog": [sample.row("team/model:1", "up-slash", upstream.base_url)]})
    answer = await get(gateway, "/v1/models/team/model:1", sample.ALICE)
    assert answer.json()["id"] == "team/model:1"
