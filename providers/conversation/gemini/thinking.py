"""Gemini's thinking: how much of it, and the signatures that must come back. By the facts of the model, never its name.

`thinkingBudget` is of models up to 2.5, `thinkingLevel` of Gemini 3 and later; never both in one request.
"""

from __future__ import annotations

import re
from typing import Any, Final

from providers.conversation.content import Part, Thinking
from providers.conversation.request import Conversation, Reasoning
from providers.model_facts import ModelFacts
from providers.target import Target

SKIP_SIGNATURE: Final = "skip_thought_signature_validator"  # Google's word for a call whose signature is lost
OF_THOUGHT: Final = "thought"  # a place of a signature, as OF_TEXT
MOST_BUDGET: Final = 24_576  # that every model of thinkingBudget takes
_LEVELS: Final = ("minimal", "low", "medium", "high", "xhigh")
_USUAL_LEVELS: Final = ("minimal", "low", "medium", "high")
_BUDGETS: Final = {"none": 0, "minimal": 512, "low": 1024, "medium": 8192}
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")


def is_unknown(facts: ModelFacts) -> bool:
    """Whether nothing is known of the model: what a client asks for is then passed on."""
    return not facts.vendor and facts.thinking == "none"


def takes_levels(facts: ModelFacts) -> bool:
    """Whether the model is Gemini 3 or later; so is one of which nothing is known."""
    return facts.thinking == "level" or is_unknown(facts)


def config_of(conversation: Conversation, facts: ModelFacts) -> dict[str, Any]:
    """Return `thinkingConfig`; empty: the model's default."""
    asked = conversation.reasoning
    if facts.thinking == "none" and facts.vendor:
        return {}
    amount = _level(asked, facts) if takes_levels(facts) else _budget(asked)
    is_possible = amount.get("thinkingBudget") != 0 and bool(amount or not is_unknown(facts))
    if asked.wants_text and is_possible:
        return {**amount, "includeThoughts": True}
    return amount


def why_not(conversation: Conversation, facts: ModelFacts) -> str:
    """Return why the model cannot think as much, or as little, as is asked for."""
    asked = conversation.reasoning
    is_off = asked.is_off or asked.effort == "none"
    if facts.thinking == "none" and facts.vendor:
        return "" if is_off or asked.is_adaptive else "does not think"
    if not is_off:
        return ""
    if facts.thinking == "always":
        return "cannot be kept from thinking"
    lowest = "minimal" if takes_levels(facts) else "none"
    is_known = bool(facts.effort) and not {"none", lowest}.intersection(facts.effort)
    return "cannot be kept from thinking" if is_known else ""


def _budget(asked: Reasoning) -> dict[str, Any]:
    if asked.is_off:
        return {"thinkingBudget": 0}
    if asked.effort is not None:
        return {"thinkingBudget": _BUDGETS.get(asked.effort, MOST_BUDGET)}
    if asked.budget is not None:
        return {"thinkingBudget": min(asked.budget, MOST_BUDGET)}
    return {"thinkingBudget": -1} if asked.is_adaptive else {}


def _level(asked: Reasoning, facts: ModelFacts) -> dict[str, Any]:
    wanted = "none" if asked.is_off else asked.effort or _level_for(asked.budget)
    if not wanted:
        return {}
    known = [level for level in _LEVELS if level in (facts.effort or _USUAL_LEVELS)] or ["high"]
    order = ("none", *_LEVELS, "max")
    at_least = [level for level in known if order.index(level) >= order.index(wanted)]
    return {"thinkingLevel": (at_least[0] if at_least else known[-1]).upper()}


def _level_for(budget: int | None) -> str:
    if budget is None:
        return ""
    return next((level for level, most in _BUDGETS.items() if budget <= most and most), "high")


def signatures_of(parts: list[Part], target: Target) -> list[Part]:
    """Return the parts without thinking that this deployment cannot check: a foreign signature is an error there.

    A signature that states no place is no Gemini's.
    """
    return [part for part in parts if not isinstance(part, Thinking) or _is_ours(part, target)]


def _is_ours(part: Thinking, target: Target) -> bool:
    if not part.place or not _BASE64.fullmatch(part.signature):
        return False
    return part.owner == 0 or target.accepts_state_of(part.owner)
