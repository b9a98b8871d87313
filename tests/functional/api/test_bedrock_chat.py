"""Chat at Amazon Bedrock through a whole gateway: streams, documents, tools, the bill, and refusals by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.providers.raw_server import RawServer
from tests.support import sample
from tests.support.books.ledger import row_of
from tests.support.vendors.bedrock import KEYS, Bedrock, Reply
from tests.support.vendors.event_stream import event

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
USAGE = {"inputTokens": 10, "outputTokens": 4, "totalTokens": 114, "cacheReadInputTokens": 100}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
CALL = {"toolUse": {"toolUseId": "tooluse_1", "name": "f", "input": {"a": 1}}}
STREAM = [
    event("messageStart", {"role": "assistant"}),
    event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hello"}}),
    event("contentBlockStop", {"contentBlockIndex": 0}),
    event(
        "contentBlockStart",
        {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "tooluse_1", "name": "f"}}},
    ),
    event("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '{"a":1}'}}}),
    event("contentBlockStop", {"contentBlockIndex": 1}),
    event("messageStop", {"stopReason": "tool_use"}),
    event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}}),
]


def converses(_model: str, operation: str, _body: Any) -> Reply:
    if operation == "converse-stream":
        return 200, {"content-type": "application/vnd.amazon.eventstream"}, b"".join(STREAM)
    message = {"role": "assistant", "content": [{"text": "Hello"}, CALL]}
    document = {"output": {"message": message}, "stopReason": "tool_use", "usage": USAGE}
    return 200, {"content-type": "application/json"}, json.dumps(document).encode()


@pytest.fixture
async def bedrock():
    server = Bedrock(converses)
    async with RawServer(server.script) as listening:
        server.port = listening.port
        yield server


@pytest.fixture
def gateway(gateway_factory, bedrock):
    row = {
        "alias": "claude",
        "provider": "bedrock",
        "provider_model": MODEL,
        "region": "us-east-1",
        "endpoint": f"http://127.0.0.1:{bedrock.port}",
        "metadata": KEYS,
        "price_input": 2.0,
        "price_output": 10.0,
        "price_per": "1m",
        "pricing": {"cached_input": 0.2},
    }
    return gateway_factory({"model_catalog": [row]})


ASKED: dict[str, Any] = {
    "model": "claude",
    "messages": [{"role": "user", "content": "Hi"}],
    "tools": [TOOL],
    "max_tokens": 50,
}


async def test_a_document_of_converse_is_a_chat_completion(gateway, bedrock):
    async with gateway.client(sample.ALICE) as client:
        answer = await client.post("/v1/chat/completions", json=ASKED)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    (choice,) = body["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Hello", "tool_calls")
    (call,) = choice["message"]["tool_calls"]
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("f", {"a": 1})
    assert body["usage"]["prompt_tokens"] == 110
    assert body["usage"]["prompt_tokens_details"]["cached_tokens"] == 100
    row = await row_of(gateway, answer.headers["x-request-id"])
    assert (row["input_tokens"], row["cached_input_tokens"], row["output_tokens"]) == (110, 100, 4)
    assert row["cost_nanousd"] == 10 * 2_000 + 100 * 200 + 4 * 10_000
    ((model, _, sent),) = bedrock.seen
    assert model == MODEL
    assert sent["inferenceConfig"] == {"maxTokens": 50}


async def test_the_official_client_reads_a_stream(gateway, bedrock):
    async with gateway.openai(sample.ALICE) as client:
        stream = await client.chat.completions.create(
            **ASKED, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == "Hello"
    calls = [call for delta in deltas for call in delta.tool_calls or ()]
    assert "".join(call.function.arguments or "" for call in calls) == '{"a":1}'
    assert chunks[-1].usage.prompt_tokens == 110
    assert [operation for _, operation, _ in bedrock.seen] == ["converse-stream"]


@pytest.mark.parametrize(
    ("member", "value"),
    [("seed", 1), ("logprobs", True), ("n", 2), ("presence_penalty", 0.5), ("logit_bias", {"1": 1})],
)
async def test_what_converse_does_not_have_is_refused_by_name(gateway, bedrock, member, value):
    async with gateway.client(sample.ALICE) as client:
        answer = await client.post("/v1/chat/completions", json={**ASKED, member: value})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, member)
    assert bedrock.seen == []
