"""A stream that its provider cuts, or its client leaves, at any of twenty points: one row, estimated, with about as
much output as was produced and never more than the cap; what is charged, with what stays unsettled, is at least the
vendor's bill.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support import sample
from tests.support.books.ledger import rows_of
from tests.support.servers.gateway import Gateway

KEY = "sk-cuts.cuts-secret"
SHEET = {"input": 3_000, "cache_read": 300, "cache_write": 3_750, "cache_write_1h": 6_000, "output": 15_000}
CAP = 2_000
POINTS = 20
FACTOR, SLACK = 1.3, 64  # an estimate counts with another tokenizer, in pieces
ENDS = (b"[DONE]", b"event: message_stop", b"event: response.completed")
ASKED: dict[str, Any] = {
    "max_tokens": CAP,
    "messages": [{"role": "user", "content": "[think] [long] Tell me of rivers."}],
}
CLAUDE = "claude-sonnet-4-5-20250929"
# By the upstream's API: the alias's row, and the client's path.
ROWS: dict[str, dict[str, Any]] = {
    "openai_chat": {"provider": "huggingface", "provider_model": "org/chat", "api_key": "hf_one"},
    "openai_responses": {"provider": "openai", "provider_model": "gpt-5.6", "api_key": "sk-openai-one"},
    "anthropic_messages": {"provider": "anthropic", "provider_model": CLAUDE, "api_key": "sk-ant-one"},
    "bedrock_converse": {
        "provider": "bedrock",
        "provider_model": f"us.anthropic.{CLAUDE}-v1:0",
        "api_key": "bedrock-api-key-one",
        "region": "us-east-1",
    },
    "gemini": {"provider": "vertex", "provider_model": "gemini-3-pro", "api_key": "AIza-one"},
}
BELOW = {"openai": "/v1", "huggingface": "/v1"}  # of the vendor's address
MESSAGES, RESPONSES, CHAT = "/v1/messages", "/v1/responses", "/v1/chat/completions"
PAIRS = [
    ("openai_chat", CHAT),
    ("openai_chat", MESSAGES),
    ("openai_responses", RESPONSES),
    ("anthropic_messages", MESSAGES),
    ("anthropic_messages", CHAT),
    ("bedrock_converse", CHAT),
    ("gemini", RESPONSES),
]


def row(alias, more, urls):
    return {
        "alias": alias,
        "endpoint": urls[more["provider"]] + BELOW.get(more["provider"], ""),
        "context_window": 200_000,
        "max_output_tokens": 8_000,
        "price_input": 3.0,
        "price_output": 15.0,
        "price_per": "1m",
        "pricing": {"cached_input": 0.3, "cache_write": 3.75, "cache_write_1h": 6.0},
        **more,
    }


@pytest.fixture(scope="module")
def gateway(vendors, tmp_path_factory):
    vendors.price({"*": SHEET})
    config = {
        **sample.NO_LIMITS,
        "health": {"cooldown": "1ms"},
        "model_catalog": [row(api, more, vendors.urls) for api, more in ROWS.items()],
        "bootstrap": {"tenants": [{"name": "cuts"}], "api_keys": [sample.key("cuts", KEY, budget_usd=900)]},
    }
    with Gateway(config, tmp_path_factory.mktemp("cuts") / "data") as server:
        yield server


def body_of(api, path):
    thinks = {"thinking": {"type": "enabled", "budget_tokens": 1_024}} if path == MESSAGES else {}
    if path == RESPONSES:
        return {
            "model": api,
            "stream": True,
            "input": ASKED["messages"][0]["content"],
            "max_output_tokens": CAP,
        }
    return {"model": api, "stream": True, **ASKED, **(thinks if api == "anthropic_messages" else {})}


def model_of(api):
    return ROWS[api]["provider_model"]


class Call:
    """A streamed call of a client, which may leave."""

    def __init__(self, gateway, api, path) -> None:
        self.id, self.status, self.got = "", 0, b""
        self.begun = asyncio.Event()
        self._task = asyncio.ensure_future(self._run(gateway, api, path))

    async def _run(self, gateway, api, path):
        async with (
            gateway.client(KEY) as client,
            client.stream("POST", path, json=body_of(api, path)) as answer,
        ):
            self.id, self.status = answer.headers["x-request-id"], answer.status_code
            self.begun.set()
            async for each in answer.aiter_raw():
                self.got += each

    async def ended(self):
        await self._task
        return self

    async def leave(self):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def whole(gateway, vendors, api, path):
    """Make a call that is not cut, check its bill, and return how many bytes the vendor sends."""
    vendors.script(model_of(api))
    call = await Call(gateway, api, path).ended()
    assert call.status == 200, call.got
    [found] = await rows_of(gateway, call.id)
    bill = vendors.bills(model=model_of(api))[-1]
    assert (found["status"], found["estimated"], found["unsettled_nanousd"]) == ("ok", False, 0)
    assert found["cost_nanousd"] == bill["cost_nanousd"]
    return vendors.seen(model=model_of(api))[-1]["bytes_sent"]


def check(found, bills, status):
    """Check the row of a broken stream against the bills of what the vendor had produced by then."""
    assert (found["status"], found["estimated"]) == (status, True), found
    assert found["cost_nanousd"] + found["unsettled_nanousd"] >= sum(bill["cost_nanousd"] for bill in bills)
    made = sum(bill["counts"]["output"] for bill in bills)
    assert found["output_tokens"] <= min(CAP * found["attempts"], made * FACTOR + SLACK), (found, bills)
    assert found["output_tokens"] > 0


@pytest.mark.parametrize(("api", "path"), PAIRS)
async def test_a_provider_that_cuts_its_stream(gateway, vendors, api, path):
    model, size, kinds = model_of(api), await whole(gateway, vendors, api, path), ("close", "end", "reset")
    made = []
    for point in range(POINTS):
        cut_after = size * (point + 1) // (POINTS + 1)
        vendors.script(model, {"cut_after": cut_after, "cut_by": kinds[point % len(kinds)]})
        before = len(vendors.bills(model=model))
        call = await Call(gateway, api, path).ended()
        made.append((call, vendors.bills(model=model)[before:]))
    rows = await rows_of(gateway, *[call.id for call, _ in made])
    for (call, bills), found in zip(made, rows, strict=True):
        assert call.status == 200
        assert not any(end in call.got for end in ENDS)
        check(found, bills, "incomplete")


@pytest.mark.parametrize(("api", "path"), PAIRS)
async def test_a_client_that_leaves_its_stream(gateway, vendors, api, path):
    model, made = model_of(api), []
    gone = len(vendors.seen(model=model, state="closed"))
    for point in range(POINTS):
        vendors.script(model, {"hold_after": 10 + 2 * point})
        call = Call(gateway, api, path)
        await vendors.wait("holding", model=model)
        await call.begun.wait()
        await call.leave()
        await vendors.wait("closed", model=model, count=gone + point + 1)
        made.append((call, vendors.bills(model=model)[-1:]))
    rows = await rows_of(gateway, *[call.id for call, _ in made])
    for (_, bills), found in zip(made, rows, strict=True):
        check(found, bills, "cancelled")
