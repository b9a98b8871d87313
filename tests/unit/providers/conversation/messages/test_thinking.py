"""How much the model shall think, by its facts, within the one cap."""

from __future__ import annotations

from typing import Any

import pytest

from providers.conversation.apis import SentOptions
from providers.conversation.content import Text, Thinking, ToolCall, ToolResult
from providers.conversation.messages.request_writer import write
from providers.conversation.parameters import Unsupported
from providers.conversation.request import Choosing, Reasoning, Tool, ToolChoice
from tests.support.vendors.claude_calls import conversation, deployment, turn, written

TEXT = {"wants_text": True}


@pytest.mark.parametrize(
    ("model", "asked", "thinking", "effort"),
    [
        ("old", {"effort": "high"}, None, None),
        ("4.5", {}, None, None),
        ("4.5", {"effort": "none"}, None, None),
        ("4.5", {"effort": "minimal"}, {"type": "enabled", "budget_tokens": 1024}, None),
        ("4.5", {"effort": "low"}, {"type": "enabled", "budget_tokens": 2048}, None),
        ("4.5", {"effort": "medium"}, {"type": "enabled", "budget_tokens": 8192}, None),
        ("4.5", {"effort": "high"}, {"type": "enabled", "budget_tokens": 16384}, None),
        ("4.5", {"effort": "max"}, {"type": "enabled", "budget_tokens": 32768}, None),
        ("4.5", {"budget": 5000}, {"type": "enabled", "budget_tokens": 5000}, None),
        ("4.5", {"is_adaptive": True}, {"type": "enabled", "budget_tokens": 8192}, None),
        ("4.6", {}, None, None),
        ("4.6", TEXT, None, None),
        ("4.6", {"effort": "xhigh"}, {"type": "adaptive"}, "max"),
        ("4.6", {"effort": "low", **TEXT}, {"type": "adaptive", "display": "summarized"}, "low"),
        ("4.6", {"is_off": True}, {"type": "disabled"}, None),
        ("4.6", {"budget": 3000}, {"type": "adaptive"}, "medium"),
        ("4.6", {"is_adaptive": True}, {"type": "adaptive"}, None),
        ("5", {"effort": "xhigh"}, {"type": "adaptive"}, "xhigh"),
        ("between", {"effort": "none"}, {"type": "between_tools"}, None),
        ("between", TEXT, {"type": "adaptive", "display": "summarized"}, None),
        ("always", {"effort": "minimal"}, {"type": "adaptive"}, "low"),
    ],
)
def test_what_is_asked_for_is_sent_as_the_model_takes_it(
    model: str, asked: dict[str, Any], thinking: Any, effort: str | None
) -> None:
    body = written(conversation(reasoning=Reasoning(**asked)), deployment(model), 64_000)
    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == effort


@pytest.mark.parametrize(
    ("cap", "asked", "budget"),
    [
        (64_000, {"effort": "high"}, 16_384),
        (16_384, {"effort": "high"}, 12_288),
        (1_366, {"effort": "high"}, 1_024),
        (1_365, {"effort": "high"}, None),
        (4_000, {"budget": 5_000}, 3_999),
        (1_025, {"budget": 5_000}, 1_024),
        (1_024, {"budget": 5_000}, None),
        (64_000, {"budget": 100}, None),
    ],
)
def test_a_budget_fits_inside_the_cap_or_the_model_does_not_think(
    cap: int, asked: dict[str, Any], budget: int | None
) -> None:
    body = written(conversation(reasoning=Reasoning(**asked)), deployment(), cap)
    assert body["max_tokens"] == cap
    assert body.get("thinking", {}).get("budget_tokens") == budget


CALLED = ToolCall("t", "weather", "{}")
SIGNED = Thinking(text="Hm.", signature="sig-1", owner=7)


@pytest.mark.parametrize(
    ("before", "thinks"),
    [
        ([SIGNED, CALLED], True),
        ([Thinking(redacted="x", owner=7), CALLED], True),
        ([CALLED], False),
        ([Thinking(text="Hm.", signature="sig-1", owner=9), CALLED], False),
    ],
)
def test_results_without_the_thinking_before_their_call_turn_budgets_off(
    before: list[Any],
    thinks: bool,  # noqa: FBT001
) -> None:
    given = conversation(
        turn("user", "hi"),
        turn("assistant", *before),
        turn("user", ToolResult("t", (Text("ok"),))),
        tools=(Tool("weather"),),
        reasoning=Reasoning(effort="high"),
    )
    assert ("thinking" in written(given)) is thinks
    assert "thinking" in written(given, deployment("5"))


def test_a_job_of_earlier_turns_may_be_without_thinking() -> None:
    given = conversation(
        turn("user", "hi"), turn("assistant", CALLED), turn("user", ToolResult("t")), turn("assistant", "done"),
        turn("user", "again"), tools=(Tool("weather"),), reasoning=Reasoning(effort="high"),
    )  # fmt: skip
    assert "thinking" in written(given)


@pytest.mark.parametrize(("model", "asked"), [("4.5", {"effort": "high"}), ("always", {}), ("between", {})])
def test_a_tool_cannot_be_forced_while_the_model_thinks(model: str, asked: dict[str, Any]) -> None:
    given = conversation(
        tools=(Tool("weather"),), tool_choice=ToolChoice(Choosing.REQUIRED), reasoning=Reasoning(**asked)
    )
    with pytest.raises(Unsupported, match="tool_choice"):
        write(given, deployment(model), SentOptions(cap=64_000))
