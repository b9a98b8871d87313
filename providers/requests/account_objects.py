"""Objects of the provider's account that a request names: files, voices, stores, earlier responses. All tenants share
the account, and the owner of an object is unknown, so they are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from providers.requests.money_classes import Unacceptable
from providers.requests.spelling import fold, strictly

_NOT_OBJECTS: Final = frozenset({"uuid", "tool_call_id", "call_id", "tool_use_id"})
_DEEPEST: Final = 8
_THINGS: Final = (
    "(?<!pro)file|image|audio|video|document|asset|attachment|media|voice|store|container|assistant|agent|thread|response|prompt"
    "|upload|batch|knowledge(?:base)?|dataset|cache|conversation|skill"
)
_THING: Final = re.compile(rf"[a-z]*({_THINGS})s?")
_ID_OF_THING: Final = re.compile(rf"[a-z]*({_THINGS})s?ids?")
_MOST_NAME: Final = 256  # characters examined: no server has longer names, and matching takes long
_MAY_NAME: Final = re.compile(rb'ids?"|\\u', re.IGNORECASE)
_MOST_SEARCHED: Final = 64 * 1024  # bytes of unknown members that may name an object
_MOST_QUOTES: Final = 20_000  # in the searched part of an echo: as many values as in that many bytes


class _Function(msgspec.Struct, forbid_unknown_fields=True):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct, forbid_unknown_fields=True):
    """A call of a client's own tool, as nearly all calls: an object named in its arguments is the client's."""

    id: str | None = None
    type: str | None = None
    index: int | None = None
    function: _Function | None = None


_calls = msgspec.json.Decoder(list[_Call])
_flat = msgspec.json.Decoder(list[dict[str, str | int | float | bool | None]])


def refuse_objects(value: Any, where: str) -> None:
    """Raises Unacceptable where a value names an object by its id, at any depth."""
    if _names_one(value, 0):
        raise Unacceptable(f"'{where}' names an object whose owner the gateway cannot know.", where)


def refuse_named(members: Mapping[str, msgspec.Raw], unknown: Iterable[str], before: str = "") -> None:
    """Raises Unacceptable where an unknown member names an object. Only ids whose name states the kind of object count:
    others name people and calls, which is harmless.
    """
    size = 0
    for name in unknown:
        value = bytes(members[name])
        if _MAY_NAME.search(value) is None and not _is_id_of_thing(name):
            continue
        size += len(value)
        if size > _MOST_SEARCHED or _names_thing({name: strictly(value)}, 0):
            where = f"{before}{name[:64]}"
            raise Unacceptable(f"'{where}' names an object whose owner the gateway cannot know.", where)


def refuse_echoed(name: str, value: bytes, where: str) -> None:
    """Raises Unacceptable where what clients echo of responses (tool calls, annotations) names an object.

    The `id` of a tool call or of a reasoning item is no object. Usual values cost a few microseconds, of any size.
    """
    if name == "tool_calls" and _is_read_by(_calls, value):
        return
    lowered = value.lower()
    if b'id"' not in lowered and b'ids"' not in lowered and b"\\u" not in value:
        return
    if _is_flat(value):
        return
    if value.count(b'"') - value.count(b'\\"') > _MOST_QUOTES:
        raise Unacceptable(f"'{where}' is too long to be searched for objects.", where, "too_many_members")
    refuse_things(name, strictly(value), where)


def refuse_things(name: str, value: Any, where: str) -> None:
    """Raises Unacceptable where a value names an object by an id whose name states the kind of object."""
    if _names_thing({name: value}, 0):
        raise Unacceptable(f"'{where}' names an object whose owner the gateway cannot know.", where)


def _is_read_by(decoder: msgspec.json.Decoder[Any], value: bytes) -> bool:
    try:
        decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def _is_flat(value: bytes) -> bool:
    """Whether it is a list of flat objects without a member that is an object's id: few names, many values."""
    try:
        several = _flat.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return not any(_is_id_of_thing(name) for name in set().union(*several))


def _names_thing(value: Any, depth: int) -> bool:
    if depth > _DEEPEST:
        return True
    if isinstance(value, list):
        return any(_names_thing(item, depth + 1) for item in value)
    if not isinstance(value, dict):
        return False
    return any(_is_thing(name, item) or _names_thing(item, depth + 1) for name, item in value.items())


def _is_id_of_thing(name: str) -> bool:
    return _ID_OF_THING.fullmatch(fold(name[:_MOST_NAME])) is not None


def _is_thing(name: str, item: Any) -> bool:
    if _is_id_of_thing(name):
        return bool(item)
    several = item if isinstance(item, list) else [item]
    has_id = any(isinstance(each, dict) and each.get("id") for each in several)
    return has_id and _THING.fullmatch(fold(name[:_MOST_NAME])) is not None


def _names_one(value: Any, depth: int) -> bool:
    if depth > _DEEPEST:
        return True  # an id hidden deeper is refused, too
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
