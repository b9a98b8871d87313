"""State of one tenant is never reached by way of a fallback: names are checked where any deployment could have them."""

from __future__ import annotations

import pytest

from tests.support import sample
from tests.support.servers.gateway import Gateway
from tests.support.vendors.openai_responses import SECRET

ANNA, BORIS = "sk-anna.anna-secret", "sk-boris.boris-secret"


@pytest.fixture(scope="module")
def gateway(vendors, upstream, tmp_path_factory):
    own = sample.row("own", "up-gpt", vendors[0].base_url, provider="openai", api_key=SECRET)
    config = {
        **sample.NO_LIMITS,
        "model_catalog": [
            own,
            sample.row("plain", "up-plain", upstream.base_url, fallbacks=["own"]),
            sample.row("long", "up-plain", upstream.base_url, fallbacks={"context_window": ["own"]}),
        ],
        "bootstrap": {
            "tenants": [{"name": "anna"}, {"name": "boris"}],
            "api_keys": [sample.key("anna", ANNA), sample.key("boris", BORIS)],
        },
    }
    with Gateway(config, tmp_path_factory.mktemp("behind") / "data") as server:
        yield server


def naming(stored: str):
    return {
        "previous_response_id": {"previous_response_id": stored, "input": "and?"},
        "conversation": {"conversation": {"id": stored}, "input": "and?"},
        "an item": {"input": [{"type": "item_reference", "id": stored}]},
        "reasoning": {"input": [{"role": "user", "content": "a"}, {"type": "reasoning", "id": stored}]},
        "a container": {
            "input": "a",
            "tools": [{"type": "code_interpreter", "container": stored}],
        },
    }


@pytest.mark.parametrize("model", ["plain", "long"])
@pytest.mark.parametrize("where", naming(""))
async def test_a_providers_own_id_and_another_tenants_id_reach_no_provider(gateway, vendors, model, where):
    vendor = vendors[0]
    vendor.stored.clear()
    async with gateway.client(ANNA) as client:
        made = (await client.post("/v1/responses", json={"model": "own", "input": "a secret"})).json()["id"]
    [raw] = vendor.stored
    vendor.bodies.clear()
    async with gateway.client(BORIS) as client:
        for stored in (raw, made, made[:-1], made + "A" * 10_000):
            answer = await client.post("/v1/responses", json={"model": model, **naming(stored)[where]})
            assert answer.status_code in {400, 404}, answer.text
            assert raw not in answer.text or stored == raw
    assert not vendor.bodies


async def test_without_state_the_fallback_is_as_usual(gateway, vendors):
    async with gateway.client(BORIS) as client:
        answer = await client.post(
            "/v1/responses",
            json={"model": "plain", "input": "hi", "include": ["reasoning.encrypted_content"]},
        )
    assert answer.status_code == 200, answer.text
