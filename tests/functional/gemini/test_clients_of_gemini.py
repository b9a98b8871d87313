"""Gemini behind the gateway's clients: translated both ways, billed as Google bills, refused by the client's names."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode

import pytest

from tests.support import sample
from tests.support.books.ledger import whole_ledger
from tests.support.clients.media import png
from tests.support.vendors.gemini_rules import SKIP
from tests.support.vendors.gemini_streams import SIGNATURE, USAGE, chunk
from tests.support.vendors.vertex import API_KEY, VertexServer

PARTS = [
    {"text": "They ask where.", "thought": True},
    {"text": "Let me see."},
    {"functionCall": {"name": "weather", "args": {"at": "Rome"}}, "thoughtSignature": SIGNATURE},
    {"functionCall": {"name": "weather", "args": {}}},
]
WHOLE = [chunk(PARTS, "STOP", usageMetadata=USAGE)]
PIECES = [*[chunk([part]) for part in PARTS], chunk([{"text": ""}], "STOP", usageMetadata=USAGE)]
FACTS = {"vendor": "google", "thinking": "level", "effort": ["low", "high"]}
TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
]
IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64encode(png(8, 8)).decode()}"}}
ASKED = [
    {"role": "system", "content": "Be kind"},
    {"role": "user", "content": [{"type": "text", "text": "Where?"}, IMAGE]},
]


def config(server, **facts):
    row = {
        "alias": "gemini",
        "provider": "vertex",
        "provider_model": "gemini-3-pro",
        "endpoint": server.root,
        "api_key": API_KEY.lower(),
        "max_output_tokens": 8_192,
        "context_window": 200_000,
        "price_input": 0.001,
        "price_output": 0.002,
        "facts": FACTS | facts,
    }
    return {"model_catalog": [row]}


async def post(gateway, path, body):
    async with gateway.client(sample.ALICE) as client:
        return await client.post(path, json={"model": "gemini", **body})


async def chat(gateway, **members):
    body = {"messages": ASKED, "max_completion_tokens": 4_096, **members}
    return await post(gateway, "/v1/chat/completions", body)


def deltas(answer):
    assert answer.status_code == 200, answer.text
    data = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
    assert data[-1] == "[DONE]"
    return [choice for each in data[:-1] for choice in json.loads(each)["choices"]]


async def test_tools_signatures_and_pictures_go_there_and_back(gateway_factory):
    async with VertexServer(WHOLE) as server:
        gateway = await asyncio.to_thread(gateway_factory, config(server))
        first = await chat(gateway, tools=TOOLS, reasoning_effort="low")
        assert first.status_code == 200, first.text
        choice = first.json()["choices"][0]
        calls = choice["message"]["tool_calls"]
        results = [{"role": "tool", "tool_call_id": each["id"], "content": "sunny"} for each in calls]
        history = [*ASKED, choice["message"], *results]
        second = await chat(gateway, messages=history, tools=TOOLS)
        server.chunks = PIECES
        streamed = await chat(gateway, messages=history, tools=TOOLS, stream=True)
        rows = await whole_ledger(gateway)
    assert (choice["finish_reason"], choice["message"]["content"]) == ("tool_calls", "Let me see.")
    assert [json.loads(each["function"]["arguments"]) for each in calls] == [{"at": "Rome"}, {}]
    assert second.status_code == 200, second.text
    sent = [body for _, body in server.bodies]
    assert sent[0]["generationConfig"]["thinkingConfig"]["thinkingLevel"] == "LOW"
    assert [part.get("thoughtSignature") for part in sent[1]["contents"][1]["parts"]] == [
        None,
        SIGNATURE,
        None,
    ]
    pieces = [each for delta in deltas(streamed) for each in delta["delta"].get("tool_calls", ())]
    assert {each["index"] for each in pieces} == {0, 1}
    assert deltas(streamed)[-1]["finish_reason"] == "tool_calls"
    assert [(row["status"], row["input_tokens"], row["output_tokens"]) for row in rows] == [
        ("ok", 29, 212)
    ] * 3


async def test_a_client_that_drops_signatures_is_served_too(gateway_factory):
    async with VertexServer(WHOLE) as server:
        gateway = await asyncio.to_thread(gateway_factory, config(server))
        call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
        history = [
            *ASKED,
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        ]
        answer = await chat(gateway, messages=history, tools=TOOLS)
    assert answer.status_code == 200, answer.text
    assert server.bodies[0][1]["contents"][1]["parts"][0]["thoughtSignature"] == SKIP


async def test_the_call_of_a_custom_tool_is_its_input(gateway_factory):
    part = {"functionCall": {"name": "run", "args": {"input": "ls -l"}}, "thoughtSignature": SIGNATURE}
    async with VertexServer([chunk([part], "STOP", usageMetadata=USAGE)]) as server:
        gateway = await asyncio.to_thread(gateway_factory, config(server))
        tools = [{"type": "custom", "custom": {"name": "run", "description": "a shell"}}]
        first = await chat(gateway, tools=tools)
        message = first.json()["choices"][0]["message"]
        (call,) = message["tool_calls"]
        result = {"role": "tool", "tool_call_id": call["id"], "content": "nothing"}
        second = await chat(gateway, messages=[*ASKED, message, result], tools=tools)
    assert call["custom"] == {"name": "run", "input": "ls -l"}
    assert second.status_code == 200, second.text
    sent = server.bodies[1][1]["contents"][1]["parts"][0]
    assert (sent["functionCall"]["args"], sent["thoughtSignature"]) == ({"input": "ls -l"}, SIGNATURE)


async def test_a_client_of_messages_keeps_the_signature_in_its_thinking(gateway_factory):
    tools = [{"name": "weather", "input_schema": {"type": "object", "properties": {}}}]
    user = {"role": "user", "content": "Where?"}
    asked = {"max_tokens": 4_096, "tools": tools, "messages": [user]}
    async with VertexServer(WHOLE) as server:
        gateway = await asyncio.to_thread(gateway_factory, config(server))
        first = await post(gateway, "/v1/messages", asked)
        assert first.status_code == 200, first.text
        blocks = first.json()["content"]
        results = [
            {"type": "tool_result", "tool_use_id": block["id"], "content": "sunny"}
            for block in blocks
            if block["type"] == "tool_use"
        ]
        history = [user, {"role": "assistant", "content": blocks}, {"role": "user", "content": results}]
        second = await post(gateway, "/v1/messages", {**asked, "messages": history})
    assert first.json()["stop_reason"] == "tool_use"
    assert first.json()["usage"]["input_tokens"] == 29
    assert second.status_code == 200, second.text
    parts = server.bodies[1][1]["contents"][1]["parts"]
    assert [part["thoughtSignature"] for part in parts if "thoughtSignature" in part] == [SIGNATURE]
    assert "thoughtSignature" in next(part for part in parts if "functionCall" in part)


@pytest.mark.parametrize(
    ("reason", "finish"), [("STOP", "stop"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter")]
)
async def test_how_a_response_ended(gateway_factory, reason, finish):
    chunks = [chunk([{"text": "Hello"}], reason, usageMetadata=USAGE)]
    async with VertexServer(chunks) as server:
        gateway = await asyncio.to_thread(gateway_factory, config(server))
        whole, streamed = await chat(gateway), await chat(gateway, stream=True)
    assert whole.json()["choices"][0]["finish_reason"] == finish
    assert deltas(streamed)[-1]["finish_reason"] == finish
    assert "".join([each["delta"].get("content") or "" for each in deltas(streamed)]) == "Hello"


async def test_what_gemini_does_not_take_is_refused_by_name_and_not_sent(gateway_factory):
    async with VertexServer(WHOLE) as server:
        gateway = await asyncio.to_thread(gateway_factory, config(server))
        for name, value in (
            ("seed", 2**40),
            ("n", 9),
            ("logit_bias", {"1": 1}),
            ("reasoning_effort", "none"),
        ):
            answer = await chat(gateway, **{name: value})
            assert answer.status_code == 400, answer.text
            assert answer.json()["error"]["code"] == "unsupported_parameter"
            assert answer.json()["error"]["param"] == name
        assert server.bodies == []


async def test_an_error_before_the_content_is_a_status_and_one_after_it_an_event(gateway_factory):
    error = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
    async with VertexServer([error]) as server:
        gateway = await asyncio.to_thread(gateway_factory, config(server))
        before = await chat(gateway, stream=True)
        server.chunks = [chunk([{"text": "Hello"}]), error]
        after = await chat(gateway, stream=True)
    assert before.status_code >= 500
    assert "Hello" in after.text
    assert '"error"' in after.text
    assert "[DONE]" not in after.text
