"""Thinking by the facts of the model, and what is refused by the client's name."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from providers.conversation.apis import SentOptions
from providers.conversation.gemini.parameters import TABLE
from providers.conversation.gemini.request_writer import call_headers, write
from providers.conversation.parameters import PARAMETERS, unfit
from providers.conversation.request import (
    Reasoning,
    Stated,
)
from providers.model_facts import ModelFacts
from tests.support.vendors.gemini_examples import (
    GEMINI_3,
    GEMINI_25,
    HELLO,
    TOOLS,
    sent,
    talk,
    target,
)
from tests.support.vendors.gemini_rules import refusal

NO_XHIGH, ALL = GEMINI_3, msgspec.structs.replace(GEMINI_3, effort=("low", "high", "xhigh"))
UNKNOWN = ModelFacts()


@pytest.mark.parametrize(
    ("facts", "asked", "config"),
    [
        (GEMINI_3, Reasoning(), None),
        (GEMINI_3, Reasoning(effort="none"), {"thinkingLevel": "MINIMAL"}),
        (GEMINI_3, Reasoning(is_off=True), {"thinkingLevel": "MINIMAL"}),
        (GEMINI_3, Reasoning(effort="minimal"), {"thinkingLevel": "MINIMAL"}),
        (GEMINI_3, Reasoning(effort="medium"), {"thinkingLevel": "MEDIUM"}),
        (GEMINI_3, Reasoning(effort="max"), {"thinkingLevel": "HIGH"}),
        (GEMINI_3, Reasoning(budget=1024), {"thinkingLevel": "LOW"}),
        (GEMINI_3, Reasoning(budget=8000), {"thinkingLevel": "MEDIUM"}),
        (GEMINI_3, Reasoning(budget=32000), {"thinkingLevel": "HIGH"}),
        (GEMINI_3, Reasoning(is_adaptive=True), None),
        (GEMINI_3, Reasoning(is_adaptive=True, wants_text=True), {"includeThoughts": True}),
        (ALL, Reasoning(effort="minimal"), {"thinkingLevel": "LOW"}),
        (ALL, Reasoning(effort="medium"), {"thinkingLevel": "HIGH"}),
        (ALL, Reasoning(effort="max"), {"thinkingLevel": "XHIGH"}),
        (UNKNOWN, Reasoning(effort="low"), {"thinkingLevel": "LOW"}),
        (UNKNOWN, Reasoning(wants_text=True), None),
        (GEMINI_25, Reasoning(effort="none", wants_text=True), {"thinkingBudget": 0}),
        (GEMINI_25, Reasoning(effort="minimal"), {"thinkingBudget": 512}),
        (
            GEMINI_25,
            Reasoning(effort="low", wants_text=True),
            {"thinkingBudget": 1024, "includeThoughts": True},
        ),
        (GEMINI_25, Reasoning(effort="medium"), {"thinkingBudget": 8192}),
        (GEMINI_25, Reasoning(effort="xhigh"), {"thinkingBudget": 24576}),
        (GEMINI_25, Reasoning(budget=31999), {"thinkingBudget": 24576}),
        (GEMINI_25, Reasoning(is_adaptive=True), {"thinkingBudget": -1}),
        (ModelFacts(vendor="google"), Reasoning(is_off=True, wants_text=True), None),
    ],
)
def test_thinking_is_by_the_facts_of_the_model(facts: ModelFacts, asked: Reasoning, config: Any) -> None:
    body = json.loads(write(talk(HELLO, reasoning=asked), target(facts), SentOptions()))
    assert refusal(body, needs_signatures=facts.thinking != "budget") == ""
    assert body.get("generationConfig", {}).get("thinkingConfig") == config


@pytest.mark.parametrize(
    ("name", "facts", "more", "refused"),
    [
        ("reasoning_effort", ModelFacts(vendor="google"), {"reasoning": Reasoning(effort="high")}, True),
        ("reasoning_effort", ModelFacts(vendor="google"), {"reasoning": Reasoning(effort="none")}, False),
        ("thinking_budget", ModelFacts(vendor="google"), {"reasoning": Reasoning(is_adaptive=True)}, False),
        ("reasoning_effort", ALL, {"reasoning": Reasoning(effort="none")}, True),
        ("reasoning_effort", GEMINI_25, {"reasoning": Reasoning(effort="none")}, False),
        ("json_schema", GEMINI_25, {"tools": TOOLS}, True),
        ("json_schema", GEMINI_25, {}, False),
        ("json_schema", GEMINI_3, {"tools": TOOLS}, False),
        ("stop", GEMINI_3, {"stop": ("a",) * 6}, True),
        ("n", GEMINI_3, {"n": 9}, True),
        ("n", GEMINI_3, {"n": 2, "stream": True, "tools": TOOLS}, True),
        ("n", GEMINI_3, {"n": 2, "stream": True}, False),
        ("seed", GEMINI_3, {"seed": 2**31}, True),
        ("top_logprobs", GEMINI_3, {"top_logprobs": 21}, True),
        ("service_tier", GEMINI_3, {"service_tier": "flex"}, False),
        ("service_tier", GEMINI_3, {"service_tier": "scale"}, True),
        ("audio", GEMINI_25, {}, True),
        ("audio", UNKNOWN, {}, False),
        ("temperature", ModelFacts(sampling="none"), {}, True),
        ("prefill", ModelFacts(prefill=False), {}, True),
        ("forced_tool_choice", ModelFacts(forced_tool_choice=False), {}, True),
        ("logit_bias", GEMINI_3, {}, True),
        ("parallel_tool_calls", GEMINI_3, {}, True),
        ("cache_marks", GEMINI_3, {}, False),
    ],
)
def test_a_parameter_is_refused_by_the_clients_name(
    name: str, facts: ModelFacts, more: dict[str, Any], *, refused: bool
) -> None:
    conversation = talk(HELLO, stated=(Stated(name, "the client's name"),), **more)
    found = unfit(conversation, TABLE, facts)

    assert (found is not None and found.member == "the client's name") is refused


def test_the_table_has_every_parameter() -> None:
    assert set(TABLE) == set(PARAMETERS)


def test_what_only_configuration_states() -> None:
    metadata = {
        "vertex_safety_settings": '[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"OFF"}]',
        "vertex_labels": "team=search, env=prod",
        "vertex_user_label": "end-user",
    }
    body = sent(talk(HELLO, user="Ann@Example"), target(metadata=metadata))

    assert body["safetySettings"] == [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}]
    assert body["labels"] == {"team": "search", "env": "prod", "end-user": "ann_example"}
    assert "labels" not in sent(talk(HELLO, user="Ann"))


@pytest.mark.parametrize(
    ("tier", "metadata", "headers"),
    [
        ("", {}, {}),
        ("auto", {}, {}),
        (
            "flex",
            {},
            {"x-vertex-ai-llm-request-type": "shared", "x-vertex-ai-llm-shared-request-type": "flex"},
        ),
        ("default", {"vertex_request_type": "dedicated"}, {"x-vertex-ai-llm-request-type": "dedicated"}),
    ],
)
def test_a_tier_of_service_is_a_header(tier: str, metadata: dict[str, str], headers: dict[str, str]) -> None:
    assert call_headers(talk(HELLO, service_tier=tier), target(metadata=metadata)) == headers
