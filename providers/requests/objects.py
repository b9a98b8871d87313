"""Objects of the provider's account that a request names: files, voices, stores, earlier answers. All tenants share the
account, and nobody knows whose they are, so they are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from providers.requests.classes import Unacceptable
from providers.requests.spelling import fold, strictly

_NOT_OBJECTS: Final = frozenset({"uuid", "tool_call_id", "call_id", "tool_use_id"})
_DEEPEST: Final = 8
_THINGS: Final = (
    "(?<!pro)file|image|audio|video|document|asset|attachment|media|voice|store|container|assistant|agent|thread|response|prompt"
    "|upload|batch|knowledge(?:base)?|dataset|cache|conversation|skill"
)
_THING: Final = re.compile(rf"[a-z]*({_THINGS})s?")
_ID_OF_THING: Final = re.compile(rf"[a-z]*({_THINGS})s?ids?")
_MAY_NAME: Final = re.compile(rb'ids?"|\\u', re.IGNORECASE)
_MOST_SEARCHED: Final = 64 * 1024  # bytes of members that nobody knows, if they may name something


def refuse_objects(value: Any, where: str) -> None:
    """Raises Unacceptable where a value names an object by its id, at any depth."""
    if _names_one(value, 0):
        raise Unacceptable(f"'{where}' names an object whose owner the gateway cannot know.", where)


def refuse_named(members: Mapping[str, msgspec.Raw], unknown: Iterable[str], before: str = "") -> None:
    """Raises Unacceptable where a member that nobody knows names an object. Only ids that say of what they are count:
    others name people and calls, which is no harm.
    """
    size = 0
    for name in unknown:
        value = bytes(members[name])
        if _MAY_NAME.search(value) is None and not _ID_OF_THING.fullmatch(fold(name)):
            continue
        size += len(value)
        if size > _MOST_SEARCHED or _names_thing({name: strictly(value)}, 0):
            where = f"{before}{name[:64]}"
            raise Unacceptable(f"'{where}' names an object whose owner the gateway cannot know.", where)


def _names_thing(value: Any, depth: int) -> bool:
    if depth > _DEEPEST:
        return True
    if isinstance(value, list):
        return any(_names_thing(item, depth + 1) for item in value)
    if not isinstance(value, dict):
        return False
    return any(_is_thing(fold(name), item) or _names_thing(item, depth + 1) for name, item in value.items())


def _is_thing(name: str, item: Any) -> bool:
    if _ID_OF_THING.fullmatch(name):
        return bool(item)
    several = item if isinstance(item, list) else [item]
    return bool(_THING.fullmatch(name)) and any(isinstance(each, dict) and each.get("id") for each in several)


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
