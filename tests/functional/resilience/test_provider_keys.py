"""The credential of a call: each provider's own header, and a key that is sent only to its own provider."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.support import sample
from tests.support.clients.raw_calls import question
from tests.support.servers.gateway import Gateway, merged

pytestmark = pytest.mark.both_modes

GLOBAL = "global-compatible-key"


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


async def sent(gateway, upstream, alias, path="chat/completions", **body):
    async with gateway.client(sample.ALICE) as client:
        answer = await client.post(f"/v1/{path}", json=body or question(alias))
    assert answer.status_code == 200, answer.text
    [seen] = upstream.seen(call=answer.headers["x-request-id"])
    return seen


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    def row(alias, endpoint=upstream.base_url, **more):
        return sample.row(alias, f"up-keys-{alias}", endpoint, **{"api_key": "", **more})

    azure = {"provider": "azure", "api_key": "azure-key", "deployment": "my gpt", "api_version": "2024-10-21"}
    other_host = upstream.base_url.replace("127.0.0.1", "localhost")
    config = merged(
        sample.config(upstream.base_url, closed_port),
        {
            "providers": {
                "openai_key": "global-openai-key",
                "openai_compatible": {"base_url": upstream.base_url, "api_key": GLOBAL},
            },
            "model_catalog": [
                row("keyless", other_host),
                row("global"),
                row("own", api_key="own-key"),
                row("foreign", other_host, provider="openai"),
                row("named", provider="openai", api_key="k", metadata={"openai_organization": "org-1"}),
                row("azure-dated", upstream.url, **azure),
                row("azure-embed", upstream.url, **azure, model_type="embedding"),
                row("azure-plain", f"{upstream.url}/openai/v1", provider="azure", api_key="azure-key"),
            ],
        },
    )
    with Gateway(config, tmp_path_factory.mktemp("keys") / "data") as server:
        yield server


async def test_a_server_without_keys_gets_no_authorization(gateway, upstream):
    seen = await sent(gateway, upstream, "keyless")
    assert "authorization" not in seen["headers"]
    assert "api-key" not in seen["headers"]


async def test_the_global_key_goes_to_its_own_host(gateway, upstream):
    seen = await sent(gateway, upstream, "global")
    assert seen["authorization_sha256"] == digest(f"Bearer {GLOBAL}")


async def test_a_deployments_own_key_comes_first(gateway, upstream):
    assert (await sent(gateway, upstream, "own"))["authorization_sha256"] == digest("Bearer own-key")


async def test_the_global_openai_key_is_never_sent_to_another_host(gateway, upstream):
    async with gateway.client(sample.ALICE) as client:
        answer = await client.post("/v1/chat/completions", json=question("foreign"))
        ready = (await client.get("/readyz")).json()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_deployment_available")
    assert [p["reason"] for p in ready["problems"] if p["alias"] == "foreign"] == ["no API key"]
    assert not upstream.seen(model="up-keys-foreign")


async def test_no_global_key_ever_arrived_where_it_does_not_belong(gateway, upstream):
    for alias in ("keyless", "own", "named"):
        await sent(gateway, upstream, alias)
        for seen in upstream.seen(model=f"up-keys-{alias}"):
            assert seen["authorization_sha256"] not in {
                digest(f"Bearer {GLOBAL}"),
                digest("Bearer global-openai-key"),
            }


async def test_an_account_is_named_where_the_deployment_names_it(gateway, upstream):
    seen = await sent(gateway, upstream, "named")
    assert "openai-organization" in seen["headers"]
    assert seen["authorization_sha256"] == digest("Bearer k")


async def test_azure_is_called_by_deployment_and_version_with_its_own_header(gateway, upstream):
    seen = await sent(gateway, upstream, "azure-dated")
    assert seen["path"] == "/openai/deployments/my%20gpt/chat/completions"
    assert seen["query"] == "api-version=2024-10-21"
    assert seen["api_key_sha256"] == digest("azure-key")
    assert "authorization" not in seen["headers"]
    assert json.loads(seen["body"])["model"] == "up-keys-azure-dated"


async def test_azure_embeds_too(gateway, upstream):
    seen = await sent(gateway, upstream, "", "embeddings", model="azure-embed", input="hi")
    assert seen["path"] == "/openai/deployments/my%20gpt/embeddings"


async def test_azures_surface_without_dates_is_called_without_one(gateway, upstream):
    seen = await sent(gateway, upstream, "azure-plain")
    assert seen["path"] == "/openai/v1/chat/completions"
    assert seen["api_key_sha256"] == digest("azure-key")


async def test_keys_are_in_no_log_and_no_answer(gateway, upstream):
    await sent(gateway, upstream, "own")
    said = "\n".join(gateway.logs())
    for secret in (GLOBAL, "own-key", "azure-key", "alice-secret", "global-openai-key"):
        assert secret not in said
