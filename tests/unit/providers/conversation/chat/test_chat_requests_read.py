"""What each parameter of a chat request means in a conversation, and what is refused by its path."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.conversation.chat.request_reader import read
from providers.conversation.content import (
    CacheMark,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from providers.conversation.parameters import PARAMETERS
from providers.conversation.request import (
    Choosing,
    Conversation,
    Reasoning,
    ResponseFormat,
    Tool,
    ToolChoice,
    Turn,
)
from providers.isolation.ownership import Ownership
from providers.requests.money_classes import Unacceptable

OWNERSHIP = Ownership(b"a tenant")
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
HELLO = [{"role": "user", "content": "Hello"}]


def conversation(*messages: dict[str, Any], **more: Any) -> Conversation:
    body = {"model": "m", "messages": [*messages] or HELLO, **more}
    return read(json.dumps(body).encode(), OWNERSHIP)


def stated(found: Conversation) -> dict[str, str]:
    return {each.name: each.member for each in found.stated}


@pytest.mark.parametrize(
    ("member", "value", "name", "field", "expected"),
    [
        ("temperature", 0, "temperature", "temperature", 0.0),
        ("temperature", 1, "", "temperature", 1.0),
        ("top_p", 0.5, "top_p", "top_p", 0.5),
        ("top_k", 0, "top_k", "top_k", 0),
        ("n", 1, "", "n", 1),
        ("n", 3, "n", "n", 3),
        ("presence_penalty", 0, "", "presence_penalty", None),
        ("presence_penalty", -1, "presence_penalty", "presence_penalty", -1.0),
        ("frequency_penalty", 0.5, "frequency_penalty", "frequency_penalty", 0.5),
        ("logprobs", False, "", "logprobs", False),
        ("logprobs", True, "logprobs", "logprobs", True),
        ("top_logprobs", 5, "top_logprobs", "top_logprobs", 5),
        ("seed", 0, "seed", "seed", 0),
        ("max_tokens", 0, "max_tokens", "max_output_tokens", 0),
        ("max_completion_tokens", 7, "max_tokens", "max_output_tokens", 7),
        ("stop", "x", "stop", "stop", ("x",)),
        ("stop", ["x", "y"], "stop", "stop", ("x", "y")),
        ("stop", [], "", "stop", ()),
        ("parallel_tool_calls", True, "", "parallel_tool_calls", None),
        ("parallel_tool_calls", False, "parallel_tool_calls", "parallel_tool_calls", False),
        ("user", "ann", "user", "user", "ann"),
        ("safety_identifier", "ann", "user", "user", "ann"),
        ("service_tier", "auto", "", "service_tier", "auto"),
        ("service_tier", "flex", "service_tier", "service_tier", "flex"),
        ("verbosity", "medium", "", "verbosity", "medium"),
        ("verbosity", "low", "verbosity", "verbosity", "low"),
        ("prompt_cache_key", "k", "prompt_cache_key", "prompt_cache_key", "k"),
        ("prompt_cache_retention", "24h", "prompt_cache_retention", "stream", False),
        ("prompt_cache_options", {"mode": "explicit"}, "prompt_cache_retention", "stream", False),
        ("logit_bias", {"5": -100}, "logit_bias", "stream", False),
        ("logit_bias", {}, "", "stream", False),
        ("metadata", {"a": "b"}, "metadata", "stream", False),
        ("store", False, "", "stream", False),
        ("store", True, "store", "stream", False),
        ("modalities", ["text"], "", "stream", False),
        ("modalities", ["text", "audio"], "modalities", "stream", False),
        ("audio", {"voice": "ash", "format": "mp3"}, "audio_output", "stream", False),
        ("prediction", {"type": "content", "content": "x"}, "prediction", "stream", False),
        ("moderation", {"model": "x"}, "moderation", "stream", False),
        ("web_search_options", {}, "web_search", "stream", False),
        ("response_format", {"type": "text"}, "", "response_format", None),
        ("response_format", {"type": "json_object"}, "json_object", "response_format", ResponseFormat()),
        ("reasoning_effort", "high", "reasoning_effort", "reasoning", Reasoning("high", wants_text=True)),
        ("reasoning_effort", "none", "reasoning_effort", "reasoning", Reasoning("none")),
        ("stream", True, "", "stream", True),
        ("stream_options", {"include_usage": True}, "", "stream", False),
    ],
)
def test_each_parameter_is_read_and_stated_unless_it_is_the_default(
    member: str, value: Any, name: str, field: str, expected: Any
) -> None:
    found = conversation(**{member: value})
    assert getattr(found, field) == expected
    assert stated(found).keys() - {"system"} == ({name} if name else set())
    if name:
        assert stated(found)[name] == member
        assert name in PARAMETERS
    assert conversation(**{member: None}) == conversation()


def test_old_functions_become_tools_whose_calls_have_an_id_of_their_place() -> None:
    found = conversation(
        *HELLO,
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"},
        functions=[{"name": "f", "parameters": {}}],
        function_call={"name": "f"},
    )
    assert found.uses_old_functions
    assert found.tools == (Tool("f", schema=b"{}"),)
    assert found.tool_choice == ToolChoice(Choosing.NAMED, "f")
    assert found.turns[1:] == (
        Turn("assistant", (ToolCall("call_1", "f", "{}"),)),
        Turn("user", (ToolResult("call_1", (Text("1"),)),)),
    )


def test_schemas_keep_their_bytes() -> None:
    schema = b'{"type":  "object", "properties":{"b":1.0,"a":2}}'
    raw = b'{"messages":[{"role":"user","content":"x"}],'
    raw += b'"tools":[{"type":"function","function":{"name":"f","parameters":%b}}],'
    raw += b'"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":%b,"strict":true}}}'
    found = read(raw % (schema, schema), None)
    assert found.tools[0].schema == schema
    assert found.response_format == ResponseFormat(schema, "n", strict=True)


@pytest.mark.parametrize(
    ("choice", "expected", "names"),
    [
        ("auto", ToolChoice(), set()),
        ("none", ToolChoice(Choosing.NONE), {"tool_choice"}),
        ("required", ToolChoice(Choosing.REQUIRED), {"tool_choice", "forced_tool_choice"}),
        (
            {"type": "function", "function": {"name": "f"}},
            ToolChoice(Choosing.NAMED, "f"),
            {"tool_choice", "forced_tool_choice"},
        ),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
            ToolChoice(allowed=("f",)),
            {"allowed_tools"},
        ),
    ],
)
def test_tool_choices(choice: Any, expected: ToolChoice, names: set[str]) -> None:
    found = conversation(tools=[FUNCTION], tool_choice=choice)
    assert found.tool_choice == expected
    assert stated(found).keys() == names | {"tools"}


def test_tools_of_every_kind() -> None:
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /x/"}}
    found = conversation(
        tools=[
            {"type": "function", "function": {"name": "f", "description": "F", "strict": True}},
            {
                "type": "custom",
                "custom": {"name": "c", "format": grammar},
                "cache_control": {"type": "ephemeral"},
            },
            {"type": "web_search_preview"},
        ]
    )
    assert found.tools == (
        Tool("f", "F", strict=True),
        Tool("c", is_custom=True, grammar="lark\nstart: /x/", cache=CacheMark()),
    )
    assert stated(found) == {
        "strict": "tools[0].function.strict",
        "cache_marks": "tools[1].cache_control",
        "custom_tools": "tools[1]",
        "hosted_tools": "tools[2]",
        "tools": "tools",
    }


def test_members_that_chat_does_not_have_are_stated_by_their_paths() -> None:
    found = conversation(
        {"role": "user", "content": [{"type": "text", "text": "x", "weight": 2}], "odd": 1, "none": None},
        {"role": "assistant", "content": "y", "reasoning_details": [], "refusal": ""},
        min_p=0.1,
        nothing=None,
        tools=[{"type": "function", "function": {"name": "f", "defer": True}}],
    )
    unknown = [each.member for each in found.stated if each.name == "unknown"]
    assert unknown == ["min_p", "messages[0].odd", "messages[0].content[0].weight", "tools[0].function.defer"]
    assert found.turns[1].parts == (Text("y"), Refusal(""))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (
            {"messages": [*HELLO, {"role": "user", "content": [{"text": "a"}, {"text": 5}]}]},
            "messages[1].content[1].text",
        ),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "system", "content": [{"image_url": "https://x"}]}]}, "messages[0].content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "messages[0].name"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}]},
            "messages[0].tool_calls[0].id",
        ),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "x"}]}]}, "messages[0].tool_calls[0]"),
        (
            {"messages": [{"role": "user", "content": [{"image_url": "data:image/png,x"}]}]},
            "messages[0].content[0].image_url",
        ),
        ({"messages": HELLO, "stop": ["a", 3]}, "stop[1]"),
        ({"messages": HELLO, "temperature": "hot"}, "temperature"),
        ({"messages": HELLO, "reasoning_effort": "much"}, "reasoning_effort"),
        ({"messages": HELLO, "response_format": {"type": "xml"}}, "response_format"),
        ({"messages": HELLO, "tool_choice": "required"}, "tool_choice"),
        ({"messages": HELLO, "tools": [FUNCTION], "tool_choice": "most"}, "tool_choice"),
        ({"messages": HELLO, "tools": [FUNCTION, {"type": "function"}]}, "tools[1]"),
        (
            {"messages": HELLO, "tools": [FUNCTION, {"type": "function", "function": {"name": 5}}]},
            "tools[1].function.name",
        ),
    ],
)
def test_an_invalid_value_is_refused_by_its_path(body: dict[str, Any], param: str) -> None:
    with pytest.raises(Unacceptable) as refused:
        read(json.dumps(body).encode(), None)
    assert (refused.value.param, refused.value.code) == (param, "invalid_value")
    assert f"'{param}'" in str(refused.value)
