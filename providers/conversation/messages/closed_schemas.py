"""Whether a JSON schema allows exactly what it lists, which is what other vendors call strict. Pure.

Anthropic always keeps to a schema. OpenAI does where `strict` is set, and then refuses a schema with an optional or a
further property: such a schema is sent without it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

_DEEPEST: Final = 64
_any = msgspec.json.Decoder()


def is_closed(schema: bytes) -> bool:
    """Return whether every object in it has its properties, all of them, and no others."""
    try:
        return _is_closed(_any.decode(schema), 0)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False


def _is_closed(node: Any, depth: int) -> bool:
    if depth > _DEEPEST:
        return False
    if isinstance(node, list):
        return all(_is_closed(each, depth + 1) for each in node)
    if not isinstance(node, dict):
        return True
    properties = node.get("properties")
    if node.get("type") == "object" or isinstance(properties, dict):
        given = properties if isinstance(properties, dict) else {}
        required = node.get("required")
        names = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
        if node.get("additionalProperties") is not False or names != given.keys():
            return False
    return all(_is_closed(each, depth + 1) for each in node.values())
