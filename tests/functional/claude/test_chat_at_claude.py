"""A chat is served by Claude: translated both ways, billed as Anthropic bills, refused by the client's names."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from tests.integration.providers.raw_server import RawServer
from tests.support import sample
from tests.support.books.ledger import whole_ledger
from tests.support.clients.media import png
from tests.support.vendors.anthropic import KEY, THOUGHT, Api, event, message

CALLS: list[dict[str, Any]] = [
    THOUGHT,
    {"type": "text", "text": "Let me see."},
    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"at": "Rome"}},
    {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {}},
]
TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
]
BODY = {"model": "claude", "messages": [{"role": "user", "content": "Hi"}], "max_completion_tokens": 4_096}
FACTS = {"vendor": "anthropic", "thinking": "budget", "sampling": "exclusive", "max_output_tokens": 64_000}


def config(server, **facts):
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
        "facts": FACTS | facts,
    }
    return {"model_catalog": [row]}


async def call(gateway, **members):
    async with gateway.client(sample.ALICE) as client:
        return await client.post("/v1/chat/completions", json=BODY | members)


def deltas(answer):
    assert answer.status_code == 200, answer.text
    data = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
    assert data[-1] == "[DONE]"
    return [choice for each in data[:-1] for choice in json.loads(each)["choices"]]


IMAGE = {
    "type": "image_url",
    "image_url": {"url": f"data:image/png;base64,{base64.b64encode(png(8, 8)).decode()}"},
}
ASKED = [
    {"role": "system", "content": "Be kind"},
    {"role": "user", "content": [{"type": "text", "text": "Where?"}, IMAGE]},
]


async def test_tools_thinking_and_pictures_go_there_and_back(gateway_factory):
    api = Api(CALLS, "tool_use")
    given = {"tools": TOOLS, "reasoning_effort": "low"}
    async with RawServer(api) as server:
        gateway = await asyncio.to_thread(gateway_factory, config(server))
        first = await call(gateway, messages=ASKED, **given)
        assert first.status_code == 200, first.text
        choice = first.json()["choices"][0]
        calls = choice["message"]["tool_calls"]
        results = [{"role": "tool", "tool_call_id": each["id"], "content": "sunny"} for each in calls]
        history = [*ASKED, choice["message"], *results]
        second = await call(gateway, messages=history, **given)
        streamed = await call(gateway, messages=history, **given, stream=True)
    assert (choice["finish_reason"], choice["message"]["content"]) == ("tool_calls", "Let me see.")
    assert [json.loads(each["function"]["arguments"]) for each in calls] == [{"at": "Rome"}, {}]
    assert first.json()["usage"]["prompt_tokens"] == 17
    assert second.status_code == 200, second.text
    check_history(api)
    check_stream(deltas(streamed), calls)
    rows = await whole_ledger(gateway)
    assert [(row["status"], row["input_tokens"], row["output_tokens"]) for row in rows] == [("ok", 17, 9)] * 3


def check_history(api):
    """The second request has the first one's bytes, its thinking unchanged, and the results in one turn."""
    sent = api.bodies[1]
    assert sent["thinking"] == {"type": "enabled", "budget_tokens": 2_048}
    assert [each["type"] for each in sent["messages"][1]["content"]] == [
        "thinking",
        "text",
        "tool_use",
        "tool_use",
    ]
    assert sent["messages"][1]["content"][0] == THOUGHT
    picture = sent["messages"][0]["content"][1]["source"]
    assert (picture["media_type"], base64.b64decode(picture["data"])) == ("image/png", png(8, 8))
    assert [each["type"] for each in sent["messages"][2]["content"]] == ["tool_result", "tool_result"]
    assert api.raw[1].startswith(api.raw[0].partition(b'],"max_tokens"')[0])


def check_stream(found, calls):
    pieces = [each for choice in found for each in choice["delta"].get("tool_calls", ())]
    assert {each["index"] for each in pieces} == {0, 1}
    first = [each["function"].get("arguments") or "" for each in pieces if each["index"] == 0]
    assert "".join(first) == calls[0]["function"]["arguments"]
    assert found[-1]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("end_turn", "stop"), ("max_tokens", "length"), ("refusal", "content_filter")],
)
async def test_how_a_response_ended(gateway_factory, reason, finish):
    async with RawServer(Api([{"type": "text", "text": "Hello"}], reason)) as server:
        gateway = await asyncio.to_thread(gateway_factory, config(server))
        whole, streamed = await call(gateway), await call(gateway, stream=True)
    assert whole.json()["choices"][0]["finish_reason"] == finish
    assert deltas(streamed)[-1]["finish_reason"] == finish
    assert "".join([each["delta"].get("content") or "" for each in deltas(streamed)]) == "Hello"


async def test_a_schema_and_a_long_answer(gateway_factory):
    api = Api([{"type": "text", "text": '{"n":1}'}])
    async with RawServer(api) as server:
        gateway = await asyncio.to_thread(gateway_factory, config(server))
        schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}, "required": ["n"]}
        form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": True}}
        answer = await call(gateway, response_format=form)
    assert answer.json()["choices"][0]["message"]["content"] == '{"n":1}'
    assert api.bodies[0]["output_config"]["format"]["schema"]["additionalProperties"] is False


async def test_what_claude_does_not_take_is_refused_by_name_and_not_sent(gateway_factory):
    api = Api([{"type": "text", "text": "Hello"}])
    async with RawServer(api) as server:
        gateway = await asyncio.to_thread(gateway_factory, config(server))
        for name, value in (("seed", 7), ("n", 2), ("temperature", 1.5), ("logit_bias", {"1": 1})):
            answer = await call(gateway, **{name: value})
            assert answer.status_code == 400, answer.text
            assert answer.json()["error"]["code"] == "unsupported_parameter"
            assert answer.json()["error"]["param"] == name
        assert api.bodies == []


async def test_an_error_before_the_content_is_a_status_and_one_after_it_an_event(gateway_factory):
    begun = event("message_start", message=message([]))
    text = event("content_block_start", index=0, content_block={"type": "text", "text": "Hello"})
    error = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    api = Api([])
    async with RawServer(api) as server:
        gateway = await asyncio.to_thread(gateway_factory, config(server))
        api.edit = lambda _: begun + error
        before = await call(gateway, stream=True)
        api.edit = lambda _: begun + text + error
        after = await call(gateway, stream=True)
    assert before.status_code >= 500 or "error" in before.text
    assert "Hello" in after.text
    assert '"error"' in after.text
    assert "[DONE]" not in after.text
