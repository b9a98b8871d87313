"""The headers of every /v1 answer, errors included: the deployment, the cost, what remains."""

from __future__ import annotations

import re

import pytest

from tests.support import sample
from tests.support.clients.raw_calls import question
from tests.support.servers.gateway import Gateway, merged

MODEL, UPSTREAM = "m7", "up-m7"
CHAT = "/v1/chat/completions"
BUDGET = {
    f"x-budget-{name}" for name in ("limit-usd", "spent-usd", "remaining-usd", "resets-at", "limit-cents")
}
RATE = {
    f"x-ratelimit-{what}-{kind}"
    for what in ("limit", "remaining", "reset")
    for kind in ("requests", "tokens")
}
CALL = {"x-gateway-provider", "x-gateway-deployment", "x-gateway-attempts"}
LIMITED = "sk-limited.limited-secret"


@pytest.fixture(scope="module")
def limited(upstream, closed_port, tmp_path_factory):
    """Yield a gateway with a key that has limits, so that answers have headers about them."""
    limits = {"requests_per_minute": 1000, "tokens_per_minute": 1_000_000, "parallel_requests": 10}
    more = {
        "bootstrap": {
            "api_keys": [sample.key("alice-co", LIMITED, rate_limit=limits, budget_usd=5)],
            "tenant_limits": [{"tenant": "alice-co", **limits}],
        }
    }
    config = merged(sample.config(upstream.base_url, closed_port), more)
    with Gateway(config, tmp_path_factory.mktemp("limited") / "data") as server:
        yield server


async def ask(gateway, body, key=LIMITED, **headers):
    async with gateway.client(key) as client:
        return await client.post(CHAT, json=body, headers=headers)


@pytest.mark.parametrize("stream", [False, True])
async def test_answer_has_all_headers(limited, upstream, stream):
    upstream.script(UPSTREAM, {})
    answer = await ask(limited, question(MODEL, stream=stream))
    assert {*BUDGET, *RATE, *CALL, "x-request-id", "x-gateway-overhead-ms"} <= set(answer.headers)
    assert answer.headers["x-ratelimit-limit-requests"] == "1000"
    assert answer.headers["x-budget-limit-usd"] == "5.00"
    assert answer.headers["x-gateway-provider"] == "openai-compatible"
    assert answer.headers["x-gateway-deployment"] == f"{MODEL}-1"
    assert 0 < float(answer.headers["x-gateway-overhead-ms"]) < 1000


async def test_the_cost_is_known_for_a_whole_answer(limited, upstream):
    upstream.script(UPSTREAM, {})
    answer = await ask(limited, question(MODEL))
    assert answer.headers["x-gateway-cost-usd"] == "0.00002"


@pytest.mark.parametrize(
    ("behavior", "status"),
    [
        ({"kind": "status", "status": 500}, 502),
        ({"kind": "status", "status": 400}, 400),
        ({"kind": "status", "status": 429}, 429),
    ],
)
async def test_provider_failures_have_all_headers(limited, upstream, behavior, status):
    upstream.script(UPSTREAM, behavior)
    answer = await ask(limited, question(MODEL))
    assert answer.status_code == status
    assert {*BUDGET, *RATE, *CALL, "x-request-id"} <= set(answer.headers)


@pytest.mark.parametrize("body", [{}, question("nowhere"), question("badrow"), question("embed")])
async def test_refusals_of_a_known_caller_have_limit_headers(limited, body):
    answer = await ask(limited, body)
    assert answer.status_code >= 400
    assert {*BUDGET, *RATE, "x-request-id"} <= set(answer.headers)


NOT_THERE = [
    ("GET", "/v1/nowhere", 404),
    ("POST", "/v1/chat/nowhere", 404),
    ("GET", "/v1", 404),
    ("DELETE", "/v1/models/m7/x/", 405),
    ("GET", CHAT, 405),
    ("PUT", "/v1/embeddings", 405),
    ("POST", "/v1/models", 405),
]


@pytest.mark.parametrize(("method", "path", "status"), NOT_THERE)
async def test_a_404_has_limit_headers_for_valid_keys_only(limited, method, path, status):
    async with limited.client(LIMITED) as client:
        known = await client.request(method, path)
    async with limited.client("sk-limited.not-its-secret") as client:
        unknown = await client.request(method, path)
    async with limited.client() as client:
        nobody = await client.request(method, path)
    assert {*BUDGET, *RATE, "x-request-id"} <= set(known.headers)
    assert {answer.status_code for answer in (known, unknown, nobody)} == {status}
    for answer in (unknown, nobody):
        assert not [name for name in answer.headers if name.startswith(("x-budget", "x-ratelimit"))]


async def test_an_invalid_key_gets_only_the_request_id(shared_gateway):
    answer = await ask(shared_gateway, question("chat"), key="sk-nobody.nobody")
    assert answer.headers["x-request-id"]
    assert not [name for name in answer.headers if name.startswith(("x-budget", "x-ratelimit", "x-gateway"))]


async def test_request_id_is_generated_here_and_the_clients_id_is_echoed(shared_gateway, upstream):
    upstream.script(UPSTREAM, {})
    answers = [
        await ask(shared_gateway, question(MODEL), sample.ALICE, **{name: "mine-1"})
        for name in ("X-Request-ID", "X-Client-Request-Id")
    ]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert "mine-1" not in ids
    assert len(set(ids)) == 2
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{16,64}", found) for found in ids)
    assert [answer.headers["x-client-request-id"] for answer in answers] == ["mine-1", "mine-1"]


@pytest.mark.parametrize("value", ["x" * 129, "a b", "a<script>", "é"])
async def test_unsafe_client_id_is_not_echoed(shared_gateway, value):
    answer = await ask(shared_gateway, {}, sample.ALICE, **{"X-Client-Request-Id": value.encode("latin-1")})
    assert "x-client-request-id" not in answer.headers


async def test_embeddings_and_model_list_have_all_headers(limited):
    async with limited.client(LIMITED) as client:
        embedded = await client.post("/v1/embeddings", json={"model": "embed", "input": "hi"})
        listed = await client.get("/v1/models")
    assert {*BUDGET, *RATE, *CALL, "x-request-id", "x-gateway-cost-usd"} <= set(embedded.headers)
    assert {*BUDGET, *RATE, "x-request-id"} <= set(listed.headers)
