"""Every member of a Messages body is in the conversation, or is stated, or is known to change nothing."""

from __future__ import annotations

import json

import pytest

from providers.conversation.content import CacheMark, Text
from providers.conversation.request import Choosing, Conversation, Reasoning, ToolChoice, Turn
from tests.unit.providers.conversation.messages.bodies import CAP, SCHEMA, reading, stated


def test_a_plain_body():
    assert reading() == Conversation(
        turns=(Turn("user", (Text("Hi"),)),), max_output_tokens=9, stated=(CAP,), owners=frozenset()
    )


@pytest.mark.parametrize(
    ("member", "value", "field", "read_as", "name", "where"),
    [
        ("temperature", 0, "temperature", 0.0, "temperature", "temperature"),
        ("top_p", 0.5, "top_p", 0.5, "top_p", "top_p"),
        ("top_k", 0, "top_k", 0, "top_k", "top_k"),
        ("stop_sequences", ["a", ""], "stop", ("a", ""), "stop", "stop_sequences"),
        ("system", "Be kind", "system", (Text("Be kind"),), "system", "system"),
        ("metadata", {"user_id": "u"}, "user", "u", "user", "metadata.user_id"),
        ("service_tier", "standard_only", "service_tier", "default", "service_tier", "service_tier"),
        (
            "thinking",
            {"type": "enabled", "budget_tokens": 1024},
            "reasoning",
            Reasoning(budget=1024, wants_text=True),
            "thinking_budget",
            "thinking.budget_tokens",
        ),
        (
            "thinking",
            {"type": "disabled"},
            "reasoning",
            Reasoning(is_off=True),
            "reasoning_effort",
            "thinking.type",
        ),
        (
            "thinking",
            {"type": "between_tools"},
            "reasoning",
            Reasoning(effort="minimal"),
            "reasoning_effort",
            "thinking.type",
        ),
        (
            "output_config",
            {"effort": "max"},
            "reasoning",
            Reasoning(effort="max"),
            "reasoning_effort",
            "output_config.effort",
        ),
        (
            "tool_choice",
            {"type": "any"},
            "tool_choice",
            ToolChoice(Choosing.REQUIRED),
            "forced_tool_choice",
            "tool_choice",
        ),
        (
            "tool_choice",
            {"type": "tool", "name": "f"},
            "tool_choice",
            ToolChoice(Choosing.NAMED, "f"),
            "forced_tool_choice",
            "tool_choice",
        ),
        (
            "tool_choice",
            {"type": "none"},
            "tool_choice",
            ToolChoice(Choosing.NONE),
            "tool_choice",
            "tool_choice",
        ),
        (
            "tool_choice",
            {"type": "auto", "disable_parallel_tool_use": True},
            "parallel_tool_calls",
            False,
            "parallel_tool_calls",
            "tool_choice.disable_parallel_tool_use",
        ),
    ],
)
def test_a_parameter_is_read_and_stated(member, value, field, read_as, name, where):
    conversation = reading(**{member: value})
    assert getattr(conversation, field) == read_as
    assert stated(conversation) == {name: where}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("temperature", 1),
        ("temperature", None),
        ("top_p", 1.0),
        ("top_k", None),
        ("stop_sequences", []),
        ("stream", True),
        ("system", ""),
        ("tools", []),
        ("tool_choice", {"type": "auto", "disable_parallel_tool_use": False}),
        ("thinking", {"type": "adaptive", "display": "omitted"}),
        ("metadata", {}),
        ("metadata", {"user_id": ""}),
        ("service_tier", "auto"),
        ("context_management", {"edits": [{"type": "clear_tool_uses_20250919"}]}),
        ("diagnostics", {"previous_message_id": None}),
        ("cache_control", {"type": "ephemeral"}),
        ("speed", "standard"),
        ("mcp_servers", []),
        ("container", None),
    ],
)
def test_what_changes_nothing_is_not_stated(member, value):
    assert stated(reading(**{member: value})) == {}


@pytest.mark.parametrize(
    ("member", "value", "name"),
    [
        ("container", "c_1", "unknown"),
        ("mcp_servers", [{"type": "url", "url": "https://x", "name": "x"}], "hosted_tools"),
        ("speed", "fast", "unknown"),
        ("inference_geo", "us", "unknown"),
        ("brand_new", 0, "unknown"),
        ("fallbacks", [{"model": "x"}], "unknown"),
    ],
)
def test_what_is_not_translated_is_stated_by_its_name(member, value, name):
    assert stated(reading(**{member: value})) == {name: member}


def test_adaptive_thinking_and_its_display():
    shown = reading(thinking={"type": "adaptive", "display": "summarized"})
    hidden = reading(thinking={"type": "adaptive", "display": "omitted"})
    assert shown.reasoning == Reasoning(is_adaptive=True, wants_text=True)
    assert hidden.reasoning == Reasoning(is_adaptive=True)


def test_a_format_keeps_the_schema_as_written():
    conversation = reading(output_config={"format": {"type": "json_schema", "schema": SCHEMA}})
    assert conversation.response_format is not None
    assert conversation.response_format.schema == json.dumps(SCHEMA).encode()
    assert stated(conversation) == {"json_schema": "output_config.format"}


def test_tools_keep_their_order_and_schema():
    conversation = reading(
        tools=[
            {"name": "g", "input_schema": SCHEMA, "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            {"type": "custom", "name": "f", "description": "F", "input_schema": SCHEMA, "strict": True},
        ]
    )
    first, second = conversation.tools
    assert (first.name, first.cache, second.name, second.description) == ("g", CacheMark("1h"), "f", "F")
    assert first.schema == second.schema == json.dumps(SCHEMA).encode()
    assert second.strict
    assert stated(conversation) == {"tools": "tools", "strict": "tools[1].strict"}


@pytest.mark.parametrize("kind", ["web_search_20250305", "bash_20250124", "code_execution_20250825"])
def test_a_tool_of_anthropics_is_stated_by_its_place(kind):
    own = {"name": "f", "input_schema": SCHEMA}
    conversation = reading(tools=[own, {"type": kind, "name": "x"}])
    assert [tool.name for tool in conversation.tools] == ["f"]
    assert stated(conversation) == {"tools": "tools", "hosted_tools": "tools[1]"}


def test_an_unknown_member_of_a_tool_is_stated():
    conversation = reading(tools=[{"name": "f", "input_schema": SCHEMA, "odd": 1, "defer_loading": True}])
    assert stated(conversation)["unknown"] == "tools[0].odd"


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        ({"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False}, True),
        ({"type": "object", "additionalProperties": False}, True),
        ({"type": "object", "properties": {"a": {}}, "required": ["a"]}, None),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": False}, None),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "array", "items": {"type": "object"}}},
                "required": ["a"],
                "additionalProperties": False,
            },
            None,
        ),
    ],
)
def test_a_schema_is_strict_where_it_can_be(schema, strict):
    conversation = reading(output_config={"format": {"type": "json_schema", "schema": schema}})
    assert conversation.response_format is not None
    assert conversation.response_format.strict is strict


def test_an_effort_beside_adaptive_thinking_is_a_hint() -> None:
    """Claude Code sends both to every model, whatever it can."""
    given = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}
    found = reading(**given)
    assert found.reasoning == Reasoning(effort="high", is_adaptive=True, wants_text=True)
    assert "reasoning_effort" not in {each.name for each in found.stated}
