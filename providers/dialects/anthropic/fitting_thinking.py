"""Fits `thinking` to a model that thinks by budget (Claude 4.5 and older), in a body that otherwise passes. Pure.

Claude Code asks every model whose name it does not know, such as an alias, for adaptive thinking, which these refuse.
And a cap that the gateway lowered may be below the client's budget, which is refused, too. Only this member changes.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.conversation.messages.writing.thinking import budget_of
from providers.conversation.request import Reasoning
from providers.dialects.anthropic.splice import applied, inside, places, without
from providers.dialects.base import Shape
from providers.target import Target

_MEMBER: Final = "thinking"
_QUOTED: Final = b'"thinking"'
_EFFORTS: Final = frozenset({"low", "medium", "high", "xhigh", "max"})


class _Thinking(msgspec.Struct):
    type: Any = None
    budget_tokens: Any = None


class _OutputConfig(msgspec.Struct):
    effort: Any = None


_thinking = msgspec.json.Decoder(_Thinking).decode
_output_config = msgspec.json.Decoder(_OutputConfig).decode


def with_fitting_thinking(raw: bytes, shape: Shape, target: Target) -> bytes:
    """Return the body for this target; the same bytes if its thinking fits. Raises msgspec.DecodeError."""
    if target.facts.thinking != "budget" or _QUOTED not in raw:
        return raw
    given = places(raw)
    place = given.get(_MEMBER)
    if place is None or raw[place.begin : place.begin + 1] != b"{":
        return raw
    config = given.get("output_config")
    cap = shape.output_cap if shape.output_cap is not None else shape.stated_cap
    reasoning = _misfit(
        _thinking(raw[place.begin : place.end]),
        b"{}" if config is None else raw[config.begin : config.end],
        cap or 0,
    )
    if reasoning is None:
        return raw
    budget = budget_of(reasoning, target.facts, cap or 0)
    found = {"type": "enabled", "budget_tokens": budget} if budget else {"type": "disabled"}
    edits = [(place.begin, place.end, msgspec.json.encode(found))]
    if config is not None and not target.facts.effort:  # its levels came with later models
        edits += without(inside(raw, config), ["effort"])
    return applied(raw, sorted(edits))


def _misfit(asked: _Thinking, config: bytes, cap: int) -> Reasoning | None:
    """Return what is asked for, where it does not fit; None: it does, or the model refuses it for another reason."""
    if asked.type == "adaptive":
        effort = _output_config(config).effort if config[:1] == b"{" else None
        return Reasoning(effort=effort if effort in _EFFORTS else None, is_adaptive=True)
    budget = asked.budget_tokens
    if asked.type == "enabled" and type(budget) is int and budget >= cap > 0:
        return Reasoning(budget=budget)
    return None
