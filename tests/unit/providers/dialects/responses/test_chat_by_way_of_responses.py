"""A chat client reaches a model whose tools only Responses has: request, stream and thinking come around."""

from __future__ import annotations

import json

import pytest

from providers.dialects.base import Shape
from providers.dialects.choice import Dialects
from providers.isolation.tenant_salt import Salt
from providers.model_facts import ModelFacts
from providers.target import Secret, Target
from tests.support.vendors.openai_responses import Vendor
from tests.support.vendors.responses_events import call, events_of, sse, text, thought

FACTS = ModelFacts(tools_need_responses=True, effort=("low", "medium", "high"))
TARGET = Target(
    id=7,
    alias="gpt",
    name="n",
    provider="openai",
    upstream_model="up",
    base_url="",
    secret=Secret("k"),
    facts=FACTS,
)
TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}
ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is the weather?"}]


@pytest.fixture
def vendor():
    with Vendor() as vendor:
        yield vendor


def dialect(*, stream=False, cap=None):
    shape = Shape(
        alias="gpt", path="chat/completions", stream=stream, include_usage=True, salt=Salt(b"a" * 32), tools=True,
        response_id="req_1", output_cap=cap,
    )  # fmt: skip
    return Dialects(shape, client_api="chat").for_target(TARGET)


def asked(vendor, messages, *, stream=False, **more):
    """Return the client's bytes for a request, which the vendor accepted, and what the vendor got."""
    made = dialect(stream=stream, cap=200)
    body = json.dumps(
        {"model": "gpt", "messages": messages, "tools": [TOOL], "stream": stream, **more}
    ).encode()
    sent = json.loads(made.request(body, TARGET))
    assert made.path(TARGET) == "responses"
    vendor.check(sent)
    response = vendor.respond(sent)
    if not stream:
        return made.response(json.dumps(response).encode()).body, sent
    reader = made.stream()
    return reader.feed(sse(events_of(response))) + reader.end() + reader.final, sent


def test_a_loop_of_tools_comes_around_with_its_reasoning(vendor):
    vendor.output = lambda _: [thought("deep"), call("weather", {"city": "Rome"})]
    raw, sent = asked(vendor, ASKED, reasoning_effort="low")
    assert sent["store"] is False
    assert sent["include"] == ["reasoning.encrypted_content"]
    assert sent["reasoning"]["effort"] == "low"
    assert sent["max_output_tokens"] == 200
    assert sent["tools"][0] | {"parameters": None} == {
        "type": "function", "name": "weather", "parameters": None, "strict": False,
    }  # fmt: skip
    message = json.loads(raw)["choices"][0]["message"]
    assert json.loads(raw)["choices"][0]["finish_reason"] == "tool_calls"
    assert json.loads(raw)["usage"]["completion_tokens"] == 12
    assert message["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city": "Rome"}'}
    vendor.output = lambda _: [text("sunny")]
    history = [
        *ASKED,
        message,
        {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "sunny"},
    ]
    raw, again = asked(vendor, history)
    assert json.loads(raw)["choices"][0]["message"]["content"] == "sunny"
    assert again["input"][: len(sent["input"])] == sent["input"]
    kinds = [item["type"] for item in again["input"]]
    assert kinds == ["message", "message", "reasoning", "function_call", "function_call_output"]
    assert again["input"][2]["encrypted_content"] == vendor.encrypted("deep")


def test_a_stream_is_a_chat_stream(vendor):
    vendor.output = lambda _: [thought("deep"), text("Hello"), call("weather", {"city": "Rome"})]
    raw, _ = asked(vendor, ASKED, stream=True)
    *chunks, done = raw.decode().split("\n\n")[:-1]
    found = [json.loads(chunk.removeprefix("data: ")) for chunk in chunks]
    assert done == "data: [DONE]"
    deltas = [choice["delta"] for chunk in found for choice in chunk["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == "Hello"
    calls = [each for delta in deltas for each in delta.get("tool_calls") or ()]
    assert "".join(each["function"]["arguments"] for each in calls) == '{"city": "Rome"}'
    assert {each["index"] for each in calls} == {0}
