"""Which parameters the chat API takes as an upstream, and how levels of reasoning are put to a model."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.conversation.apis import SentOptions
from providers.conversation.content import (
    Text,
)
from providers.conversation.openai_chat.side import OPENAI_CHAT
from providers.conversation.parameters import PARAMETERS, Unfit, unfit
from providers.conversation.request import (
    Conversation,
    Reasoning,
    Stated,
    Turn,
)
from providers.model_facts import ModelFacts
from providers.target import Secret, Target

HELLO = Turn("user", (Text("Hello"),))
NO_OPTIONS = SentOptions()


def test_a_hint_of_an_effort_goes_only_to_models_whose_levels_are_known():
    """Claude Code sends both to every model."""
    reasoning = Reasoning("high", is_adaptive=True)
    known = target(facts=ModelFacts(effort=("low", "medium")))
    assert written(to=known, reasoning=reasoning)["reasoning_effort"] == "medium"
    assert "reasoning_effort" not in written(to=target(facts=ModelFacts()), reasoning=reasoning)


def target(provider: str = "openai-compatible", **more: Any) -> Target:
    return Target(
        id=1, alias="a", name="d", provider=provider, upstream_model="up", base_url="http://x/v1",
        secret=Secret(""), **more,
    )  # fmt: skip


def written(
    *turns: Turn, to: Target | None = None, options: SentOptions = NO_OPTIONS, **more: Any
) -> dict[str, Any]:
    conversation = Conversation(turns=turns or (HELLO,), **more)
    body: dict[str, Any] = json.loads(OPENAI_CHAT.write(conversation, to or target(), options))
    return body


def test_the_table_has_every_parameter() -> None:
    assert list(OPENAI_CHAT.parameters) == list(PARAMETERS)


@pytest.mark.parametrize(
    ("reasoning", "levels", "expected"),
    [
        (Reasoning(), ("low", "high"), None),
        (Reasoning("xhigh"), (), "xhigh"),
        (Reasoning("xhigh"), ("none", "low", "high"), "high"),
        (Reasoning("minimal"), ("none", "low", "high"), "low"),
        (Reasoning(budget=5_000), ("low", "medium", "high"), "medium"),
        (Reasoning(budget=100_000), ("low", "high", "xhigh"), "xhigh"),
        (Reasoning(budget=5_000), (), None),
        (Reasoning(is_adaptive=True), ("low",), None),
        (Reasoning(is_off=True), ("none", "low"), "none"),
        (Reasoning(is_off=True), ("low", "high"), "low"),
        (Reasoning(is_off=True), (), None),
    ],
)
def test_levels_of_reasoning(reasoning: Reasoning, levels: tuple[str, ...], expected: str | None) -> None:
    to = target(facts=ModelFacts(effort=levels))
    assert written(to=to, reasoning=reasoning).get("reasoning_effort") == expected


@pytest.mark.parametrize(
    ("name", "values", "facts", "is_refused"),
    [
        ("temperature", {"temperature": 0.5}, {}, False),
        ("temperature", {"temperature": 0.5}, {"sampling": "default_only"}, True),
        ("top_k", {"top_k": 3}, {}, False),
        ("top_k", {"top_k": 3}, {"vendor": "openai"}, True),
        ("image", {}, {"vision": False}, True),
        ("json_schema", {}, {"json_schema": "none"}, True),
        ("reasoning_effort", {"reasoning": Reasoning("none")}, {"effort": ("low",)}, True),
        ("reasoning_effort", {"reasoning": Reasoning("none")}, {}, False),
        ("service_tier", {"service_tier": "gold"}, {}, True),
        ("logit_bias", {}, {}, True),
        ("metadata", {}, {}, False),
        ("unknown", {}, {}, True),
    ],
)
def test_refusals(name: str, values: dict[str, Any], facts: dict[str, Any], *, is_refused: bool) -> None:
    conversation = Conversation(turns=(HELLO,), stated=(Stated(name, "theirs"),), **values)
    found = unfit(conversation, OPENAI_CHAT.parameters, ModelFacts(**facts))
    assert (found is not None) is is_refused
    assert found is None or isinstance(found, Unfit)
    assert found is None or found.member == "theirs"
