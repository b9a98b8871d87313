"""Tools, thinking and forms of a response in the words of the Converse API and of the vendors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.conversation.content import (
    Text,
    ToolCall,
    ToolResult,
)
from providers.conversation.parameters import Unsupported
from providers.conversation.request import (
    Choosing,
    Reasoning,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from tests.unit.providers.conversation.converse.bodies import (
    SCHEMA,
    TOOL,
    assistant,
    body,
    contents,
    user,
)


def test_tools_that_only_the_history_names_are_described_again() -> None:
    turns = (user("go"), assistant(ToolCall("c", "f", "{}")), user(ToolResult("c", (Text("r"),))))
    specs = body(*turns)["toolConfig"]["tools"]
    assert [each["toolSpec"]["name"] for each in specs] == ["f"]
    written = body(*turns, vendor="meta", tool_choice=ToolChoice(Choosing.NONE), tools=(TOOL,))
    assert "toolChoice" not in written["toolConfig"]
    assert "toolConfig" not in body(user("go"), tool_choice=ToolChoice(Choosing.NONE), tools=(TOOL,))


def test_the_choice_of_a_tool() -> None:
    def chosen(choice: ToolChoice, **rest: Any) -> Any:
        return body(user("go"), tools=(TOOL, Tool("other")), tool_choice=choice, **rest)

    assert chosen(ToolChoice(Choosing.REQUIRED))["toolConfig"]["toolChoice"] == {"any": {}}
    assert chosen(ToolChoice(Choosing.NAMED, "search"))["toolConfig"]["toolChoice"] == {
        "tool": {"name": "search"}
    }
    assert "toolChoice" not in chosen(ToolChoice())["toolConfig"]
    few = chosen(ToolChoice(allowed=("other",)))["toolConfig"]["tools"]
    assert [each["toolSpec"]["name"] for each in few] == ["other"]
    single = chosen(ToolChoice(Choosing.REQUIRED), parallel_tool_calls=False)
    assert single["additionalModelRequestFields"] == {
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True}
    }
    with pytest.raises(Unsupported):
        chosen(ToolChoice(Choosing.REQUIRED), facts={"forced_tool_choice": False})


def test_a_custom_tool_and_its_calls_are_marked_by_their_name() -> None:
    custom = Tool("run", grammar="digits", is_custom=True)
    turns = (user("go"), assistant(ToolCall("c", "run", "12", is_custom=True)), user(ToolResult("c")))
    written = body(*turns, tools=(custom,))
    spec = written["toolConfig"]["tools"][0]["toolSpec"]
    assert spec["name"] == contents(written)[1][0]["toolUse"]["name"] == "run__gw_text"
    assert contents(written)[1][0]["toolUse"]["input"] == {"input": "12"}
    assert spec["description"] == "digits"


def test_a_name_that_the_api_does_not_take_is_refused() -> None:
    with pytest.raises(Unsupported) as refused:
        body(user("go"), tools=(Tool("a.b"),))
    assert refused.value.member == "tools"


@pytest.mark.parametrize(
    ("vendor", "facts", "asked", "fields"),
    [
        ("anthropic", {"thinking": "budget"}, Reasoning(budget=2_000),
         {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
        ("anthropic", {"thinking": "adaptive", "effort": ("low", "high")}, Reasoning("high"),
         {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
        ("amazon", {}, Reasoning("low"), {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}),
        ("openai", {"thinking": "always"}, Reasoning("minimal"), {"reasoning_effort": "low"}),
        ("qwen", {"thinking": "adaptive"}, Reasoning("medium"), {"reasoning_config": "high"}),
    ],
)  # fmt: skip
def test_thinking_is_asked_for_in_the_words_of_the_vendor(
    vendor: str, facts: Any, asked: Reasoning, fields: Any
) -> None:
    facts = facts if vendor != "amazon" else {"thinking": "adaptive"}
    written = body(user("a"), vendor=vendor, facts=facts, reasoning=asked)
    assert written["additionalModelRequestFields"] == fields


def test_other_models_that_know_levels_get_the_apis_own_effort() -> None:
    written = body(
        user("a"),
        vendor="deepseek",
        facts={"thinking": "level", "effort": ("low", "high")},
        reasoning=Reasoning("high"),
    )
    assert written["outputConfig"] == {"effort": "high"}


@pytest.mark.parametrize(
    ("vendor", "facts", "asked"),
    [
        ("meta", {}, Reasoning("low")),
        ("openai", {"thinking": "always"}, Reasoning("none")),
        ("amazon", {"thinking": "adaptive"}, Reasoning("high")),
        ("anthropic", {"thinking": "none"}, Reasoning("low")),
    ],
)
def test_thinking_that_the_model_cannot_do_is_refused(vendor: str, facts: Any, asked: Reasoning) -> None:
    with pytest.raises(Unsupported) as refused:
        body(user("a"), vendor=vendor, facts=facts, reasoning=asked)
    assert refused.value.member == "reasoning_effort"


@pytest.mark.parametrize("vendor", ["amazon", "anthropic", "meta"])
def test_thinking_as_needed_is_none_at_a_model_that_does_not_think(vendor):
    written = body(
        user("a"), vendor=vendor, facts={"thinking": "none"}, reasoning=Reasoning(is_adaptive=True)
    )
    assert "additionalModelRequestFields" not in written
    assert "effort" not in written.get("outputConfig", {})


def test_claude_does_not_think_where_the_thinking_before_its_calls_is_lost() -> None:
    turns = (user("go"), assistant(ToolCall("c", "f", "{}")), user(ToolResult("c", (Text("r"),))))
    written = body(*turns, facts={"thinking": "budget"}, reasoning=Reasoning("low"))
    assert "thinking" not in written.get("additionalModelRequestFields", {})


def test_a_schema_is_the_models_own_or_that_of_a_tool() -> None:
    wanted = ResponseFormat(SCHEMA, "answer", "the answer")
    native = body(user("a"), response_format=wanted)
    found = native["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert json.loads(found["schema"]) == json.loads(SCHEMA)
    assert (found["name"], found["description"]) == ("answer", "the answer")
    forced = body(user("a"), response_format=wanted, facts={"json_schema": "tool"})
    assert forced["toolConfig"]["toolChoice"] == {"tool": {"name": "respond_with_json__gw"}}
    both = body(user("a"), response_format=wanted, facts={"json_schema": "tool"}, tools=(TOOL,))
    assert both["toolConfig"]["toolChoice"] == {"any": {}}
    with pytest.raises(Unsupported):
        body(user("a"), response_format=wanted, facts={"json_schema": "tool", "forced_tool_choice": False})


def test_the_tier_and_who_asks() -> None:
    written = body(user("a"), service_tier="flex", user="salted-user")
    assert written["serviceTier"] == {"type": "flex"}
    assert "requestMetadata" not in written
    assert "serviceTier" not in body(user("a"), service_tier="auto")


@pytest.mark.parametrize(
    ("vendor", "facts"),
    [("meta", {}), ("anthropic", {"thinking": "none"}), ("amazon", {"thinking": "adaptive"})],
)
def test_as_much_thinking_as_is_possible_is_none_where_the_model_cannot(vendor: str, facts: Any) -> None:
    """Claude Code sends this to every model."""
    written = body(user("a"), vendor=vendor, facts=facts, reasoning=Reasoning("high", is_adaptive=True))
    assert "additionalModelRequestFields" not in written
    assert "outputConfig" not in written
