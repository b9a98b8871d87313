"""What a model of Claude takes, and what is refused by the client's own name for it."""

from __future__ import annotations

from typing import Any

import pytest

from providers.conversation.messages.parameters import PARAMETERS as TABLE
from providers.conversation.parameters import PARAMETERS, unfit
from providers.conversation.registry import UPSTREAMS
from providers.conversation.request import Choosing, Reasoning, ResponseFormat, Stated, ToolChoice
from tests.support.vendors.claude_calls import conversation, facts

FORCED = ToolChoice(Choosing.REQUIRED)
HIGH = Reasoning(effort="high")
SCHEMA = ResponseFormat(b"{}")


def test_the_table_has_every_parameter() -> None:
    assert set(TABLE) == set(PARAMETERS)
    assert UPSTREAMS["anthropic_messages"].parameters is TABLE


@pytest.mark.parametrize(
    ("name", "given", "models"),
    [
        ("temperature", {"temperature": 0.5}, {"4.5", "4.6", "old"}),
        ("temperature", {"temperature": 0.0}, {"4.5", "4.6", "old"}),
        ("temperature", {"temperature": 1.5}, set()),
        ("temperature", {"temperature": 0.5, "reasoning": HIGH}, {"old"}),
        ("top_p", {"top_p": 0.5}, {"4.5", "4.6", "old"}),
        ("top_p", {"top_p": 0.5, "temperature": 0.5}, {"old"}),
        ("top_p", {"top_p": 0.96, "reasoning": HIGH}, {"4.5", "4.6", "old"}),
        ("top_p", {"top_p": 0.5, "reasoning": HIGH}, {"old"}),
        ("top_k", {"top_k": 5}, {"4.5", "4.6", "old"}),
        ("top_k", {"top_k": 5, "reasoning": HIGH}, {"old"}),
        ("tool_choice", {"tool_choice": FORCED}, {"4.5", "4.6", "5", "old"}),
        ("forced_tool_choice", {"tool_choice": FORCED, "reasoning": HIGH}, {"4.6", "5", "old"}),
        ("tool_choice", {"tool_choice": ToolChoice()}, {"4.5", "4.6", "5", "between", "always", "old"}),
        ("reasoning_effort", {"reasoning": HIGH}, {"4.5", "4.6", "5", "between", "always"}),
        ("reasoning_effort", {"reasoning": Reasoning(effort="none")}, {"4.5", "4.6", "5", "between", "old"}),
        ("json_schema", {"response_format": SCHEMA}, {"4.5", "4.6", "5", "between", "always", "old"}),
        ("prefill", {}, {"4.5", "old"}),
        ("service_tier", {"service_tier": "default"}, {"4.5", "4.6", "5", "between", "always", "old"}),
        ("service_tier", {"service_tier": "flex"}, set()),
        ("stop", {"stop": ("a", " ")}, set()),
        ("stop", {"stop": ("a",)}, {"4.5", "4.6", "5", "between", "always", "old"}),
        ("seed", {"seed": 1}, set()),
        ("n", {"n": 2}, set()),
        ("unknown", {}, set()),
        ("metadata", {}, {"4.5", "4.6", "5", "between", "always", "old"}),
    ],
)
def test_a_value_is_taken_by_these_models(name: str, given: dict[str, Any], models: set[str]) -> None:
    asked = conversation(stated=(Stated(name, f"my.{name}"),), **given)
    refusals = {
        model: unfit(asked, TABLE, facts(model)) for model in ("4.5", "4.6", "5", "between", "always", "old")
    }
    assert {model for model, why in refusals.items() if why is None} == models
    assert {why.member for why in refusals.values() if why is not None} <= {f"my.{name}"}


@pytest.mark.parametrize(
    ("name", "given", "fact"),
    [
        ("json_schema", {"response_format": SCHEMA}, {"json_schema": "none"}),
        ("json_schema", {"response_format": SCHEMA}, {"json_schema": "tool", "forced_tool_choice": False}),
        ("json_schema", {"response_format": SCHEMA, "reasoning": HIGH}, {"json_schema": "tool"}),
        ("parallel_tool_calls", {"parallel_tool_calls": False}, {"parallel_tool_control": False}),
        ("image", {}, {"vision": False}),
        ("document", {}, {"documents": False}),
        ("tools", {}, {"tools": False}),
    ],
)
def test_a_fact_refuses(name: str, given: dict[str, Any], fact: dict[str, Any]) -> None:
    asked = conversation(stated=(Stated(name, name),), **given)
    found = unfit(asked, TABLE, facts(**fact))
    assert found is not None
    assert found.member == name
    assert unfit(asked, TABLE, facts()) is None
