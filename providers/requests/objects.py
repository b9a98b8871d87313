"""Objects of the provider's account that a request names: files, voices, stores, earlier answers. All tenants share the
account, and nobody knows whose they are, so they are refused.
"""

from __future__ import annotations

from typing import Any, Final

from providers.requests.classes import Unacceptable

_NOT_OBJECTS: Final = frozenset({"uuid", "tool_call_id", "call_id", "tool_use_id"})
_DEEPEST: Final = 8


def refuse_objects(value: Any, where: str) -> None:
    """Raises Unacceptable where a value names an object by its id, at any depth."""
    if _names_one(value, 0):
        raise Unacceptable(f"'{where}' names an object whose owner the gateway cannot know.", where)


def _names_one(value: Any, depth: int) -> bool:
    if depth > _DEEPEST:
        return True  # who hides it so deep does not get it either
    if isinstance(value, list):
        return any(_names_one(item, depth + 1) for item in value)
    if not isinstance(value, dict):
        return False
    return any((_is_id(name) and bool(item)) or _names_one(item, depth + 1) for name, item in value.items())


def _is_id(name: str) -> bool:
    lowered = name.lower()
    return lowered not in _NOT_OBJECTS and (
        lowered in {"id", "ids"} or lowered.endswith(("_id", "_ids", "fileid", "fileids"))
    )
