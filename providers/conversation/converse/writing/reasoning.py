"""How much a model on Bedrock shall think, in the words of its vendor. Pure.

Sources: the vendors' pages in the Amazon Bedrock user guide: Claude's extended thinking, Nova 2's, gpt-oss's and
Qwen3's parameters; `outputConfig.effort` for other models that know levels.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.conversation.messages.writing import thinking as claudes
from providers.conversation.messages.writing.thinking import is_asked, is_off
from providers.conversation.request import Conversation
from providers.model_facts import ModelFacts

_THREE: Final = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_TWO: Final = {"minimal": "low", "low": "low"}  # Qwen3: all above is high
_USUAL: Final = "medium"
_LOW_UP_TO: Final = 2_048
_MEDIUM_UP_TO: Final = 8_192

Fields = dict[str, Any]


class Thinking(msgspec.Struct, frozen=True):
    """`fields`: additionalModelRequestFields; `effort`: outputConfig's, "": none; `budget`: tokens of Claude's."""

    fields: Fields = {}
    effort: str = ""
    budget: int = 0


def level_of(conversation: Conversation, facts: ModelFacts) -> str:
    """Return the level that the client asked for, "" for none; a budget and "as needed" become one.

    "As needed" is no thinking at a model that does not think.
    """
    reasoning = conversation.reasoning
    if not is_asked(reasoning):
        return ""
    if reasoning.effort is not None:
        return reasoning.effort
    budget = reasoning.budget
    if budget is None:
        return _USUAL if _can_think(facts) else ""
    return "low" if budget <= _LOW_UP_TO else "medium" if budget <= _MEDIUM_UP_TO else "high"


def unfit(conversation: Conversation, facts: ModelFacts) -> str:
    """Return why the model cannot think as it is asked to; "" where it can, or where as much as it can is asked for."""
    return "" if conversation.reasoning.is_adaptive else _unfit(conversation, facts)


def _unfit(conversation: Conversation, facts: ModelFacts) -> str:
    rule, vendor = facts.thinking, facts.vendor
    if is_off(conversation.reasoning):
        cannot_stop = rule == "always" or vendor == "openai"
        return "cannot stop thinking" if cannot_stop else ""
    level = level_of(conversation, facts)
    if not level:
        return ""
    if vendor == "amazon" and _THREE[level] == "high":
        return "thinks without an output cap at this effort, which is not allowed here"
    return "" if _can_think(facts) else "does not think"


def _can_think(facts: ModelFacts) -> bool:
    if facts.vendor == "anthropic":
        return facts.thinking not in {"none", "level"}
    return facts.thinking != "none" or bool(facts.effort)


def thinking(conversation: Conversation, facts: ModelFacts, max_tokens: int | None, *, can: bool) -> Thinking:
    """Return the fields; `can` False: the history does not allow it. `unfit` was asked."""
    if facts.vendor == "anthropic":
        return _claudes(conversation, facts, max_tokens, can=can)
    level = level_of(conversation, facts)
    if not level or _unfit(conversation, facts):
        return Thinking()
    if facts.vendor == "amazon":
        return Thinking({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": _THREE[level]}})
    if facts.vendor == "openai":
        return Thinking({"reasoning_effort": _THREE[level]})
    if facts.vendor == "qwen":
        return Thinking({"reasoning_config": _TWO.get(level, "high")})
    known = facts.effort
    return Thinking(effort=level if level in known else _THREE[level])


def _claudes(conversation: Conversation, facts: ModelFacts, max_tokens: int | None, *, can: bool) -> Thinking:
    reasoning = conversation.reasoning
    budget = claudes.budget_of(reasoning, facts, max_tokens or 0) if can else 0
    fields: Fields = {}
    found = claudes.thinking(reasoning, facts, budget)
    if found is not None:
        fields["thinking"] = found
    if level := claudes.effort(reasoning, facts):
        fields["output_config"] = {"effort": level}
    return Thinking(fields, "", budget)
