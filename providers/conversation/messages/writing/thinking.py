"""How much Claude shall think, by the facts of its model. Pure.

The gateway's cap holds for thinking too: a budget is made smaller so that it fits inside `max_tokens`, and where fewer
than 1,024 tokens would be left for it, the model does not think. Source: Anthropic's documentation, "Extended
thinking", "Adaptive thinking", "Effort".
"""

from __future__ import annotations

from typing import Any, Final

from providers.conversation.request import Effort, Reasoning
from providers.model_facts import ModelFacts

FEWEST: Final = 1_024  # tokens of a budget
_BUDGETS: Final[dict[str, int]] = {
    "minimal": 1_024, "low": 2_048, "medium": 8_192, "high": 16_384, "xhigh": 32_768, "max": 32_768,
}  # fmt: skip
_USUAL: Final = "medium"  # of a client that leaves it to the model, at one that needs a number
_SHARE: Final = 3 / 4  # the most of `max_tokens` for a budget that the gateway chose
_WISHES: Final[dict[str, tuple[str, ...]]] = {  # the levels to choose from, best first
    "minimal": ("low",),
    "low": ("low",),
    "medium": ("medium", "low"),
    "high": ("high",),
    "xhigh": ("xhigh", "max", "high"),
    "max": ("max", "xhigh", "high"),
}
_UNKNOWN: Final = ("low", "medium", "high")
_LOW_UP_TO: Final = 2_048
_MEDIUM_UP_TO: Final = 8_192


def is_off(reasoning: Reasoning) -> bool:
    return reasoning.is_off or reasoning.effort == "none"


def is_asked(reasoning: Reasoning) -> bool:
    """Return whether the client asked for thinking, or for some amount of it."""
    stated = reasoning.effort is not None or reasoning.budget is not None or reasoning.is_adaptive
    return stated and not is_off(reasoning)


def budget_of(reasoning: Reasoning, facts: ModelFacts, max_tokens: int) -> int:
    """Return the tokens to think in, at a model that needs a number; 0: it does not think."""
    if facts.thinking != "budget" or not is_asked(reasoning):
        return 0
    if reasoning.budget is not None:
        budget = min(reasoning.budget, max_tokens - 1)
    else:
        budget = min(_BUDGETS[reasoning.effort or _USUAL], int(max_tokens * _SHARE))
    return budget if budget >= FEWEST else 0


def thinking(reasoning: Reasoning, facts: ModelFacts, budget: int) -> dict[str, Any] | None:
    """Return the member `thinking`; None: it is not sent."""
    rule = facts.thinking
    if rule in {"none", "level"}:
        return None
    if rule == "budget":
        return {"type": "enabled", "budget_tokens": budget} if budget else None
    if is_off(reasoning):
        return {"type": "between_tools" if rule == "between_tools" else "disabled"}
    shows = reasoning.wants_text and (is_asked(reasoning) or rule != "adaptive")
    if not is_asked(reasoning) and not shows:
        return None
    return {"type": "adaptive", "display": "summarized"} if shows else {"type": "adaptive"}


def effort(reasoning: Reasoning, facts: ModelFacts) -> str:
    """Return the level of `output_config.effort`; "": it is not sent."""
    if facts.thinking not in {"adaptive", "between_tools", "always"} or not is_asked(reasoning):
        return ""
    level = reasoning.effort or _level(reasoning.budget)
    if level is None or level == "none":
        return ""
    known = facts.effort or _UNKNOWN
    return next((each for each in _WISHES[level] if each in known), "")


def _level(budget: int | None) -> Effort | None:
    if budget is None:
        return None
    return "low" if budget <= _LOW_UP_TO else "medium" if budget <= _MEDIUM_UP_TO else "high"
