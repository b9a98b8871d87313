"""A call of /v1/messages at a deployment with Anthropic's API: bytes pass, and thinking returns to its account only."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.integration.providers.raw_server import RawServer
from tests.support import sample
from tests.support.books.ledger import whole_ledger
from tests.support.vendors.anthropic import KEY, THOUGHT, Api

BODY: dict[str, Any] = {
    "model": "claude",
    "max_tokens": 2_048,
    "messages": [{"role": "user", "content": "Hi"}],
}
BLOCKS = [THOUGHT, {"type": "text", "text": "Hello"}]
HEADERS = {"anthropic-version": "2023-06-01", "anthropic-beta": "context-1m-2025-08-07"}


def config(server):
    row = {
        "alias": "claude",
        "provider": "anthropic",
        "provider_model": "claude-up",
        "endpoint": server.url.removesuffix("/v1/chat/completions"),
        "api_key": KEY,
        "max_output_tokens": 8_192,
        "context_window": 200_000,
        "price_input": 0.001,
        "price_output": 0.002,
    }
    return {"model_catalog": [row]}


async def call(gateway, **members):
    async with gateway.client(sample.ALICE) as client:
        answer = await client.post("/v1/messages?beta=true", json=BODY | members, headers=HEADERS)
    assert answer.status_code == 200, answer.text
    return answer


async def test_messages_and_streams_pass(gateway_factory):
    api = Api(BLOCKS)
    async with RawServer(api) as server:
        gateway = await asyncio.to_thread(gateway_factory, config(server))
        whole = (await call(gateway)).json()
        streamed = await call(gateway, stream=True)
        history = [
            *BODY["messages"],
            {"role": "assistant", "content": whole["content"]},
            {"role": "user", "content": "And?"},
        ]
        again = (await call(gateway, messages=history)).json()
    assert [block["type"] for block in whole["content"]] == ["thinking", "text"]
    assert (whole["model"], again["model"]) == ("claude", "claude")
    assert whole["content"][0]["signature"] != THOUGHT["signature"]  # marked with its deployment
    assert api.bodies[0] == BODY | {"model": "claude-up"}
    assert api.bodies[-1]["messages"][1]["content"][0] == THOUGHT
    assert "anthropic-beta: context-1m-2025-08-07" in api.heads[0]
    events = [json.loads(line[6:]) for line in streamed.text.splitlines() if line.startswith("data: ")]
    assert (events[0]["type"], events[-1]["type"]) == ("message_start", "message_stop")
    assert events[0]["message"]["model"] == "claude"
    rows = await whole_ledger(gateway)
    assert [(row["endpoint"], row["status"], row["input_tokens"], row["output_tokens"]) for row in rows] == [
        ("messages", "ok", 17, 9)
    ] * 3


async def test_a_provider_that_does_not_count_leaves_an_estimate(gateway_factory):
    async with RawServer(Api(BLOCKS)) as server:
        gateway = await asyncio.to_thread(gateway_factory, config(server))
        async with gateway.client(sample.ALICE) as client:
            body = {name: value for name, value in BODY.items() if name != "max_tokens"}
            answer = await client.post("/v1/messages/count_tokens", json=body)
    assert answer.status_code == 200
    assert answer.json()["input_tokens"] > 0
    assert answer.headers["x-gateway-estimated"] == "true"
