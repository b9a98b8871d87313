"""Detects the kind of a response body (events, a document, other) by its first bytes: its media type may be wrong."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Mapping
from typing import Final

EVENT_STREAM: Final = "text/event-stream"
MAX_PRELUDE: Final = (
    1024 * 1024
)  # of white space, and of lifecycle events that are held back until the first content
_FIELDS: Final = frozenset(
    {b"data", b"event", b"id", b"retry", b""}
)  # of an event stream; "" before a comment
_LONGEST_FIELD: Final = 8
_BOM: Final = b"\xef\xbb\xbf"


class Kind(enum.Enum):
    """The kind of a response body, by its first bytes."""

    EVENTS = enum.auto()
    WHOLE = enum.auto()  # a JSON document
    OTHER = enum.auto()


def kind_of(head: bytes, *, is_declared: bool) -> Kind | None:
    """Return the kind of a body with this head; None: too short. `is_declared`: its media type is an event stream."""
    text = head.removeprefix(_BOM).lstrip()
    if not text or _BOM.startswith(head):
        return None
    if text[:1] in {b"{", b"["}:
        return Kind.WHOLE
    if is_declared:
        return Kind.EVENTS
    line = text[:_LONGEST_FIELD].splitlines(keepends=True)[0]
    name, colon, _ = line.partition(b":")
    if colon or line[-1:] in b"\r\n":
        return Kind.EVENTS if name.rstrip(b"\r\n") in _FIELDS else Kind.OTHER
    return None if any(field.startswith(name) for field in _FIELDS) else Kind.OTHER


def is_declared_stream(headers: Mapping[str, str]) -> bool:
    """Media types are case-insensitive (RFC 9110, 8.3.1)."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() == EVENT_STREAM


async def opening(blocks: AsyncIterator[bytes], *, is_declared: bool) -> tuple[Kind, bytes]:
    """Read until the kind is known; return it with the bytes read."""
    head, size = b"", 0
    async for block in blocks:
        head += block
        kind = kind_of(head, is_declared=is_declared)
        if kind is not None:
            return kind, head
        size += len(block)
        if size > MAX_PRELUDE:
            break
        head = head.removeprefix(_BOM).lstrip()  # white space may arrive byte by byte
    return (Kind.EVENTS if is_declared else Kind.OTHER), head
