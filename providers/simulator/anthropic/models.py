"""The rules of Claude models that the simulator plays, by the names that it is called with. Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec

_LEVELS = ("low", "medium", "high", "max")
_MORE_LEVELS = ("low", "medium", "high", "xhigh", "max")


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """What a model accepts. `preserved`: its thinking is valid behind the same conversation only."""

    max_tokens: int = 64_000
    window: int = 200_000
    budget: bool = True
    adaptive: bool = False
    thinks_by_default: bool = False
    disable: tuple[str, ...] = ("disabled",)  # the types of `thinking` that reduce it
    sampling: str = "exclusive"  # exclusive | none
    prefill: bool = True
    system_in_messages: bool = False
    schema: bool = True
    forced_choice: bool = True
    shows_thinking: bool = True  # without `display`
    preserved: bool = False
    efforts: tuple[str, ...] = ()


_NEW = Traits(
    max_tokens=128_000,
    window=1_000_000,
    budget=False,
    adaptive=True,
    sampling="none",
    prefill=False,
    shows_thinking=False,
    efforts=_MORE_LEVELS,
)
_changed = msgspec.structs.replace
_FIVE = _changed(_NEW, thinks_by_default=True, system_in_messages=True)
_MODELS = (
    (r"opus-5-5|(fable|mythos)-5-[1-9]", _changed(_FIVE, disable=(), forced_choice=False, preserved=True)),
    (r"(fable|mythos)-5", _changed(_FIVE, disable=(), forced_choice=False)),
    (
        r"sonnet-5-5",
        _changed(_FIVE, disable=("between_tools",), forced_choice=False, preserved=True),
    ),
    (r"haiku-5-5", _changed(_FIVE, preserved=True)),
    (r"(opus|sonnet|haiku)-5", _FIVE),
    (r"opus-4-8", _changed(_NEW, system_in_messages=True)),
    (r"-4-7", _NEW),
    (r"-4-6", Traits(max_tokens=128_000, adaptive=True, prefill=False, efforts=_LEVELS)),
    (r"-4-5", Traits()),
)
_OLD = Traits(schema=False)
KNOWN = ("claude-sonnet-4-5", "claude-sonnet-4-6", "claude-opus-4-8", "claude-sonnet-5-5", "claude-opus-5-5")


def traits(model: str) -> Traits:
    """Return the rules of a model, whatever prefix, date or version its platform adds to the name."""
    return next((found for pattern, found in _MODELS if re.search(pattern, model)), _OLD)


def described(model: str) -> dict[str, Any]:
    """Return a model as `GET /v1/models/{id}` does."""
    known = traits(model)
    types = {"enabled": known.budget, "adaptive": known.adaptive, "disabled": "disabled" in known.disable}
    return {
        "id": model,
        "type": "model",
        "display_name": model,
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
        "retires_at": None,
        "max_input_tokens": known.window,
        "max_tokens": known.max_tokens,
        "capabilities": {
            "batch": {"supported": False},
            "effort": {
                "supported": bool(known.efforts),
                **{level: {"supported": level in known.efforts} for level in _MORE_LEVELS},
            },
            "image_input": {"supported": True},
            "pdf_input": {"supported": True},
            "structured_outputs": {"supported": known.schema},
            "thinking": {
                "supported": True,
                "types": {name: {"supported": is_known} for name, is_known in types.items()},
            },
        },
    }
