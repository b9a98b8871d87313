"""Models in the shape of Anthropic's API (API reference, "List models")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from catalog.snapshot import Model
from gateway.http.exceptions import BadRequest
from gateway.values.timestamps import rfc3339

_USUAL, _MOST = 20, 1_000
_DIGITS: Final = 4


def page(models: Sequence[Model], query: Mapping[str, str]) -> dict[str, Any]:
    """Return one page of models: those after `after_id`, or the last ones before `before_id`. Raises BadRequest."""
    limit = _limit(query.get("limit", ""))
    after, before = query.get("after_id", ""), query.get("before_id", "")
    if after and before:
        raise BadRequest("State 'after_id' or 'before_id', not both.", "before_id", "invalid_value")
    names = [model.alias for model in models]
    start, end = 0, len(names)
    if after:
        start = _place(names, after, "after_id") + 1
    elif before:
        end = _place(names, before, "before_id")
        start = max(0, end - limit)
    shown = models[start:end][:limit]
    has_more = start > 0 if before else end - start > limit
    return {
        "data": [document(model) for model in shown],
        "has_more": has_more,
        "first_id": shown[0].alias if shown else None,
        "last_id": shown[-1].alias if shown else None,
    }


def document(model: Model) -> dict[str, Any]:
    """Describe one model; what is not known of it is null."""
    return {
        "type": "model",
        "id": model.alias,
        "display_name": model.alias,
        "created_at": rfc3339(model.created),
        "lifecycle": "active",
        "max_input_tokens": model.context_window,
        "max_tokens": model.max_output_tokens,
    }


def _limit(stated: str) -> int:
    if not stated:
        return _USUAL
    if not (stated.isascii() and stated.isdigit() and len(stated) <= _DIGITS and 1 <= int(stated) <= _MOST):
        raise BadRequest(f"'limit' is a whole number from 1 to {_MOST:,}.", "limit", "invalid_value")
    return int(stated)


def _place(names: list[str], name: str, param: str) -> int:
    try:
        return names.index(name)
    except ValueError:
        raise BadRequest(f"'{param}' names no model of this list.", param, "invalid_value") from None
