"""manage.py explain: the story of a call, for whoever has its X-Request-ID."""

from __future__ import annotations

import asyncio

import pytest

from tests import town
from tests.money import settled
from tests.raw_calls import ask, question
from tests.servers import Gateway

KEY = "sk-teller.teller-secret"


def config(endpoint, closed_port):
    return {
        **town.NO_LIMITS,
        "model_catalog": [
            town.row("told", "up-told-a", endpoint, deployment="told-a"),
            town.row("told", "up-told-b", endpoint, deployment="told-b", priority=1, price_output=6.0),
            town.row("told", "up-told-c", endpoint, deployment="told-c", priority=2),
            town.row("told", "up-told-d", endpoint, deployment="told-d", api_key="${SURELY_NOT_SET}"),
            town.row("waits", "up-told-waits", endpoint, timeouts={"first_byte": "30s"}),
            town.row("dead", "up-told-dead", f"http://127.0.0.1:{closed_port}/v1"),
        ],
        "bootstrap": {
            "tenants": [{"name": "tellers"}],
            "api_keys": [
                town.key(
                    "tellers",
                    KEY,
                    budget_usd=5,
                    rate_limit={"requests_per_minute": 60, "parallel_requests": 4},
                )
            ],
        },
    }


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    with Gateway(config(upstream.base_url, closed_port), tmp_path_factory.mktemp("told") / "data") as server:
        yield server


async def test_it_tells_who_asked_where_it_went_and_what_it_cost(gateway, upstream):
    upstream.script("up-told-a", {"kind": "status", "status": 503})
    upstream.script("up-told-b", {"prompt_tokens": 12, "chunks": 7})
    answer = await ask(gateway.url, KEY, question("told", stream=True))
    await settled(gateway)
    lines = gateway.manage("explain", answer.id)
    told = "\n".join(lines)
    assert lines[0] == f"Call {answer.id}"
    assert "  Key teller of tenant tellers." in lines
    assert "The model told at chat.completions, as a stream, on " in told
    assert "  By strategy weighted: told-a first, then told-b, then told-c." in lines
    assert "  Not to told-d: " in told
    assert "The key may make 4 at a time and 60 requests a minute." in told
    assert "Of 60 requests a minute 59 were left after this one." in told
    assert (
        "The tightest budget was the calendar_month one of the key: 5.00 USD, of which 0.00 were spent"
        in told
    )
    assert "  1. told-a (openai-compatible): failed as upstream_error with HTTP 503 after " in told
    assert "  2. told-b (openai-compatible) answered with HTTP 200 after " in told
    assert "  Not tried: told-c." in lines
    assert "  12 input tokens at 0.000001 USD each: 0.000012 USD (price row " in told
    assert "  7 output tokens at 0.000006 USD each: 0.000042 USD (price row " in told
    assert "  Together 0.000054 USD." in lines
    assert "  It ended well, with HTTP 200, " in told


async def test_a_running_call_is_told_as_far_as_it_went(gateway, upstream):
    upstream.script("up-told-waits", {"hold_before_head": True})
    asked = asyncio.create_task(ask(gateway.url, KEY, question("waits")))
    [seen] = await upstream.wait("arrived", model="up-told-waits")
    told = "\n".join(await asyncio.to_thread(gateway.manage, "explain", seen["id"]))
    upstream.release(model="up-told-waits")
    await asked
    assert "The model waits at chat.completions, as one answer" in told
    assert "It has not ended" in told


async def test_it_says_when_no_provider_was_reached_or_nobody_knows_the_call(gateway):
    answer = await ask(gateway.url, KEY, question("dead"))
    assert answer.status == 502
    assert "  It never reached a provider, so it cost nothing and is not in the ledger." in gateway.manage(
        "explain", answer.id
    )
    refused = await ask(gateway.url, KEY, question("nobody"))
    for call in ("never-heard-of", refused.id):
        assert gateway.manage("explain", call, code=1) == []
