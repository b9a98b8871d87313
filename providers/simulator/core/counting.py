"""Token counts of the simulator's prompts: its own, the same for all of its APIs. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from providers.simulator.core.prompt_cache import Segment
from providers.simulator.core.text import tokens_of
from providers.tokens.count import count

PER_TURN = 3
PER_MEDIA = 16
_LONGEST_KEPT = 24_000  # characters
_MEDIA = frozenset({"data", "bytes", "image_url", "file_data", "fileUri", "url"})
_UNCOUNTED = frozenset({"signature", "thoughtSignature", "encrypted_content", "cache_control", "cachePoint"})


def text_tokens(text: str) -> int:
    """Return the tokens of a text; of a very long one, nearly. Long texts are not kept in a cache."""
    return tokens_of(text) if len(text) <= _LONGEST_KEPT else count(text)


def value_tokens(value: Any) -> int:
    """Return the tokens of the texts of a JSON value, and a constant for each picture or document."""
    total, stack = 0, [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            total += text_tokens(item)
        elif isinstance(item, dict):
            for name, inner in item.items():
                if name in _MEDIA:
                    total += PER_MEDIA
                elif name not in _UNCOUNTED:
                    stack.append(inner)
        elif isinstance(item, list):
            stack.extend(item)
    return total


def json_tokens(value: Any) -> int:
    """Return the tokens of a value as JSON text: of tools and schemas."""
    return text_tokens(msgspec.json.encode(value).decode()) if value else 0


def segment(value: Any, tokens: int, mark: str = "") -> Segment:
    """Return a piece of a prompt; keys keep their order, for a prefix is compared by its bytes."""
    return Segment(msgspec.json.encode(value), tokens, mark)
