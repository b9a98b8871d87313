"""The offsets of the top-level members of a large JSON object, to replace some without splitting it."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from providers.json_scan.outline import Outline, Span
from providers.requests import chat, embeddings

MOST_TWINS: Final = 64  # duplicate members; no ordinary client sends any
MOST_VALUE: Final = 64 * 1024  # bytes of a member that may be replaced
_encode = msgspec.json.Encoder().encode
_ANSWERED: Final = ("id", "object", "created", "choices", "usage", "data", "system_fingerprint")
# Encoded names of known members; all others are encoded when they occur.
NAMES: Final = {name: _encode(name) + b":" for name in (*chat.MEMBERS, *embeddings.MEMBERS, *_ANSWERED)}


class Layout(msgspec.Struct, frozen=True, array_like=True):
    """`values` are those of the members that may be replaced, as JSON. `removed` are their spans, with the comma before
    them, and the spans of members with a later duplicate.
    """

    start: int  # of the first member
    first_end: int
    values: dict[str, bytes]
    removed: tuple[Span, ...]

    def parts(self) -> dict[str, msgspec.Raw]:
        return {name: msgspec.Raw(value) for name, value in self.values.items()}


class Unfit(Exception):
    """The object has too many duplicate names, or `name` has a value that no client would send."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)


def layout_of(raw: bytes, outline: Outline, names: AbstractSet[str]) -> Layout:
    """Return the layout in which these names may be replaced, as far as they are present. Raises Unfit."""
    removed: list[Span] = []
    latest: dict[str, Span] = {}
    begin, twins = outline.start, 0
    for name, end in zip(outline.names, outline.ends, strict=True):
        if name in latest:
            twins += 1
            removed.append(latest[name])
        if twins > MOST_TWINS:
            raise Unfit(name)
        latest[name] = (begin, end)
        begin = end
    values = {}
    for name in names & latest.keys():
        begin, end = outline.members[name]
        if end - begin > MOST_VALUE:
            raise Unfit(name)
        values[name] = raw[begin:end]
        removed.append(latest[name])
    first_end = outline.ends[0] if outline.ends else outline.start
    return Layout(outline.start, first_end, values, tuple(sorted(removed)))


def splice(raw: bytes, layout: Layout, parts: Mapping[str, msgspec.Raw]) -> bytes:
    """Return the object with these members in place of those that may be replaced."""
    whole = memoryview(raw)
    pieces: list[bytes | memoryview] = [b"{"]
    pieces.append(b",".join([_encode(name) + b":" + bytes(value) for name, value in parts.items()]))
    at, is_first = layout.start, not parts
    for begin, end in (*layout.removed, (len(raw), len(raw))):
        if at < begin:
            # The first member has no comma before it.
            has_comma = at > layout.start or layout.start == layout.first_end
            if is_first and has_comma:
                at = raw.find(b",", at, begin) + 1 or at  # only the closing bracket has none
            elif not is_first and not has_comma:
                pieces.append(b",")
            pieces.append(whole[at:begin])
            is_first = False
        at = end
    return b"".join(pieces)
