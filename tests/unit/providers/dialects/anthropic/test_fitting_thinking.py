"""A model that thinks by budget gets a budget that fits, from clients that do not know the model."""

from __future__ import annotations

import json

import pytest

from providers.dialects.anthropic.request import body_for
from providers.dialects.base import Shape
from tests.support.vendors.claude_calls import deployment, facts

BY_BUDGET = deployment(facts=facts(thinking="budget"))
ADAPTIVE = deployment(facts=facts(thinking="adaptive"))


def body(thinking, cap=20_000, **more):
    given = {"model": "claude", "max_tokens": cap, "thinking": thinking, "messages": [], **more}
    return json.dumps(given).encode()


def shape(cap=20_000, lowered=None):
    return Shape(
        alias="claude", path="messages", stated_cap=cap, cap_names=("max_tokens",), output_cap=lowered
    )


def sent(raw, target=BY_BUDGET, **more):
    return json.loads(body_for(shape(**more), raw, target))


@pytest.mark.parametrize(
    ("config", "budget"),
    [({}, 8192), ({"output_config": {"effort": "low"}}, 2048), ({"output_config": 1}, 8192)],
)
def test_adaptive_thinking_becomes_a_budget(config, budget):
    found = sent(body({"type": "adaptive", "display": "omitted"}, **config))
    assert found["thinking"] == {"type": "enabled", "budget_tokens": budget}
    assert found["messages"] == []


def test_there_is_no_thinking_where_the_cap_leaves_no_room():
    off = {"type": "disabled"}
    assert sent(body({"type": "adaptive"}, cap=1_000), cap=1_000)["thinking"] == off
    assert sent(body({"type": "enabled", "budget_tokens": 9_000}), lowered=900)["thinking"] == off


def test_a_budget_stays_below_a_cap_that_was_lowered():
    found = sent(body({"type": "enabled", "budget_tokens": 9_000}), lowered=5_000)
    assert (found["max_tokens"], found["thinking"]["budget_tokens"]) == (5_000, 4_999)


@pytest.mark.parametrize(
    "thinking",
    [{"type": "enabled", "budget_tokens": 9_000}, {"type": "disabled"}, {"type": "new"}, None, "adaptive"],
)
def test_what_fits_or_is_unknown_passes(thinking):
    assert sent(body(thinking))["thinking"] == thinking


def test_other_models_get_what_their_client_sent():
    asked = {"type": "enabled", "budget_tokens": 9_000}
    for thinking in ({"type": "adaptive"}, asked):
        assert sent(body(thinking), target=ADAPTIVE, lowered=5_000)["thinking"] == thinking
