"""A conversation of any client becomes a Responses body: tools flattened, nothing stored, one cap."""

from __future__ import annotations

import json
from itertools import pairwise

import msgspec
import pytest

from providers.conversation.apis import SentOptions
from providers.conversation.content import (
    Document,
    Image,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from providers.conversation.parameters import PARAMETERS as NAMES
from providers.conversation.parameters import unfit
from providers.conversation.request import (
    Choosing,
    Conversation,
    Reasoning,
    ResponseFormat,
    Stated,
    Tool,
    ToolChoice,
    Turn,
)
from providers.conversation.responses.parameters import PARAMETERS
from providers.conversation.responses.request_writer import write
from providers.model_facts import ModelFacts
from providers.target import Secret, Target

FACTS = ModelFacts(tools_need_responses=True, effort=("low", "medium", "high"))
TARGET = Target(
    id=7,
    alias="a",
    name="n",
    provider="openai",
    upstream_model="up",
    base_url="",
    secret=Secret("k"),
    facts=FACTS,
)
PICTURE = Image(url="https://x/y.png")
HI = Turn("user", (Text("hi"),))


def body(conversation=None, cap=None, target=TARGET, **members):
    conversation = conversation or Conversation(turns=members.pop("turns", (HI,)), **members)
    return json.loads(write(conversation, target, SentOptions(cap=cap)))


def test_a_plain_conversation_is_not_stored_and_asks_for_its_reasoning():
    assert body(system=(Text("Be brief."),)) == {
        "model": "up",
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "input": [
            {
                "type": "message",
                "role": "developer",
                "content": [{"type": "input_text", "text": "Be brief."}],
            },
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        ],
    }


def test_a_model_that_does_not_reason_is_not_asked_for_it():
    plain = msgspec.structs.replace(TARGET, facts=ModelFacts())
    assert "include" not in body(target=plain, reasoning=Reasoning(wants_text=True))


@pytest.mark.parametrize(
    ("stated", "cap", "sent"), [(None, None, None), (90, None, 90), (90, 50, 50), (None, 50, 50), (0, 0, 0)]
)
def test_the_one_cap(stated, cap, sent):
    assert body(max_output_tokens=stated, cap=cap).get("max_output_tokens") == sent


def test_history_becomes_items():
    turns = (
        HI,
        Turn("assistant", (Text("I look."), ToolCall("c1", "f", ""), ToolCall("c2", "g", "x", is_custom=True))),
        Turn("user", (ToolResult("c1", (Text("1"),)), ToolResult("c2", (Text("2"), PICTURE)), Text("and?"))),
        Turn("assistant", (Refusal("no"),)),
        Turn("system", (Text("later"),)),
    )  # fmt: skip
    assert body(turns=turns)["input"][1:] == [
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "x"},
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
        {
            "type": "function_call_output",
            "call_id": "c2",
            "output": [
                {"type": "input_text", "text": "2"},
                {"type": "input_image", "image_url": "https://x/y.png"},
            ],
        },
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "and?"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "later"}]},
    ]


def test_media_are_written():
    parts = (Image("AAAA", "image/png"), Document("JVBE", "application/pdf"), Document(text="words"))
    [message] = body(turns=(Turn("user", parts),))["input"]
    assert message["content"] == [
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
        {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBE"},
        {"type": "input_text", "text": "words"},
    ]


@pytest.mark.parametrize(
    ("thinking", "is_sent"),
    [
        (Thinking("t", "gAAA", owner=7), True),
        (Thinking("t", "gAAA", owner=8), False),
        (Thinking("t", "gAAA"), False),
        (Thinking("t", owner=7), False),
        (Thinking("", "sig", owner=7, place="call_1"), False),
    ],
)
def test_thinking_goes_to_its_own_account_only(thinking, is_sent):
    items = body(turns=(HI, Turn("assistant", (thinking, Text("x")))))["input"]
    reasoning = [item for item in items if item["type"] == "reasoning"]
    summary = [{"type": "summary_text", "text": "t"}]
    assert reasoning == [{"type": "reasoning", "summary": summary, "encrypted_content": "gAAA"}] * is_sent


def test_long_ids_of_calls_are_rewritten_alike():
    long = "x" * 80
    turns = (Turn("assistant", (ToolCall(long, "f", "{}"),)), Turn("user", (ToolResult(long, (Text("1"),)),)))
    call, result = body(turns=turns)["input"]
    assert call["call_id"] == result["call_id"]
    assert len(call["call_id"]) <= 64


def test_tools_are_flattened_and_not_strict_unless_stated():
    tools = (
        Tool("f", "does", b'{"type":"object","properties":{"b":{},"a":{}}}'),
        Tool("g", strict=True),
        Tool("h", is_custom=True, grammar="lark\nstart: A"),
    )
    sent = body(tools=tools, tool_choice=ToolChoice(Choosing.NAMED, "h"), parallel_tool_calls=False)
    assert [(tool["type"], tool["name"], tool.get("strict")) for tool in sent["tools"]] == [
        ("function", "f", False),
        ("function", "g", True),
        ("custom", "h", None),
    ]
    assert list(sent["tools"][0]["parameters"]["properties"]) == ["b", "a"]
    assert sent["tools"][2]["format"] == {"type": "grammar", "syntax": "lark", "definition": "start: A"}
    assert sent["tool_choice"] == {"type": "custom", "name": "h"}
    assert sent["parallel_tool_calls"] is False
    allowed = body(tools=tools, tool_choice=ToolChoice(Choosing.REQUIRED, allowed=("f", "h")))["tool_choice"]
    assert allowed["tools"] == [{"type": "function", "name": "f"}, {"type": "custom", "name": "h"}]


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (Reasoning(effort="low"), {"effort": "low"}),
        (Reasoning(effort="xhigh"), {"effort": "high"}),
        (Reasoning(effort="minimal"), {"effort": "low"}),
        (Reasoning(budget=1024, wants_text=True), {"effort": "low", "summary": "auto"}),
        (Reasoning(budget=50_000), {"effort": "high"}),
        (Reasoning(effort="low", is_adaptive=True), {"effort": "low"}),
        (Reasoning(is_adaptive=True), None),
    ],
)
def test_effort_is_one_that_the_model_knows(asked, sent):
    assert body(reasoning=asked).get("reasoning") == sent


def test_formats_are_written():
    schema = b'{"type":"object"}'
    sent = body(response_format=ResponseFormat(schema, "n", strict=True), verbosity="low")["text"]
    assert sent == {
        "format": {"type": "json_schema", "name": "n", "strict": True, "schema": {"type": "object"}},
        "verbosity": "low",
    }
    assert body(response_format=ResponseFormat())["text"] == {"format": {"type": "json_object"}}


def test_a_later_turn_begins_with_the_bytes_of_the_earlier_one():
    turns = [
        HI,
        Turn("assistant", (ToolCall("c", "f", "{}"),)),
        Turn("user", (ToolResult("c", (Text("1"),)),)),
        HI,
    ]
    bodies = [
        write(
            Conversation(turns=tuple(turns[:end]), system=(Text("s"),), tools=(Tool("f"),)),
            TARGET,
            SentOptions(),
        )
        for end in range(1, len(turns) + 1)
    ]
    for earlier, later in pairwise(bodies):
        prefix, found, _ = earlier.partition(b'],"store"')
        assert found
        assert later.startswith(prefix)


def test_the_table_has_every_parameter():
    assert set(PARAMETERS) == set(NAMES)


@pytest.mark.parametrize(
    "name", ["stop", "seed", "n", "presence_penalty", "logit_bias", "store", "hosted_tools", "unknown"]
)
def test_what_responses_lacks_is_refused_by_the_clients_name(name):
    conversation = Conversation(turns=(HI,), stated=(Stated(name, "theirs"),))
    refused = unfit(conversation, PARAMETERS, FACTS)
    assert refused is not None
    assert refused.member == "theirs"


def test_reasoning_that_cannot_be_switched_off_is_refused():
    conversation = Conversation(
        turns=(HI,),
        reasoning=Reasoning(is_off=True),
        stated=(Stated("reasoning_effort", "reasoning_effort"),),
    )
    assert unfit(conversation, PARAMETERS, FACTS) is not None
    assert unfit(conversation, PARAMETERS, ModelFacts(effort=("none", "low"))) is None
