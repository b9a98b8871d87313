"""Parses server-sent events from blocks of bytes as they arrive (WHATWG, "Interpreting an event stream"). Pure.

Beyond the standard, two things that it ignores are passed on, because servers report failures that way: a field
`error:` (llama.cpp), and JSON in the stream without any field.
Cost: one search for a blank line per block and one slice per event; linear however small the blocks are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

MAX_EVENT: Final = 1024 * 1024  # without `grant_memory`
LF: Final = 10  # searching for a number is twice as fast
CR: Final = 13
COLON: Final = 58
MEMORY_FROM: Final = 64 * 1024  # bytes from which on memory is requested, in steps of:
MEMORY_STEP: Final = 256 * 1024
MOST_LINES: Final = 10_000  # of one event; more take too long to parse, and no server sends them
ERROR: Final = "error"  # the type of an event that reports one; also of the field of that name
NO_FIELD: Final = "\0stray"  # the type of JSON without a field; no stream can send this name
_OBJECT: Final = b"data: {"
_NAMED: Final = b"event: "
_THEN_OBJECT: Final = b"\ndata: {"
_BOM: Final = b"\xef\xbb\xbf"

GrantMemory = Callable[[int], bool]


class SseEvent(msgspec.Struct, frozen=True, gc=False):
    """One event: its data lines joined by LF, and its type ("" when the stream gives none)."""

    data: bytes
    event: str = ""


class EventTooLarge(Exception):
    """An event exceeded the cap; `events` are those that the same block completed before it.

    `is_ours`: it is within the cap, but the gateway has no memory for it.
    """

    def __init__(self, limit: int, events: list[bytes | SseEvent], *, is_ours: bool = False) -> None:
        message = (
            f"there is no memory for an event of {limit} bytes"
            if is_ours
            else f"an event is larger than {limit} bytes"
        )
        super().__init__(message)
        self.limit, self.events, self.is_ours = limit, events, is_ours


class SseParser:
    """Takes blocks, returns events. Line ends may be LF, CR, CRLF or a mix; a block may end anywhere.

    `grant_memory(size)` is called before an unfinished event buffers that many bytes; on False the event is too large.
    """

    __slots__ = ("_begun", "_ended_with_cr", "_grant_memory", "_granted", "_max_event", "_pending")

    def __init__(self, max_event: int = MAX_EVENT, grant_memory: GrantMemory | None = None) -> None:
        self._max_event, self._grant_memory = max_event, grant_memory
        self._granted = MEMORY_FROM if grant_memory is not None else max_event
        self._pending = bytearray()  # an unfinished event, its line ends already LF
        self._begun = False
        self._ended_with_cr = False

    def feed(self, block: bytes) -> list[bytes | SseEvent]:
        """Return the events that this block completes; the usual ones, one data line with an object, as bytes.

        Raises EventTooLarge.
        """
        if not self._begun:
            block = self._without_bom(block)
        if self._ended_with_cr or CR in block:
            block = self._with_lf(block)
        pending = self._pending
        is_one = block.startswith(_OBJECT) and block.find(b"\n") == len(block) - 2 <= self._max_event
        if is_one and not pending and block.endswith(b"\n"):  # exactly one event, as most servers send
            return [block[6:-2]]
        if not pending and block.startswith(_NAMED) and block.endswith(b"\n\n"):
            named = _named(block[:-2]) if len(block) <= self._max_event else None
            if named is not None:
                return [named]
        if pending:
            searched = len(pending) - 1
            pending += block
            end = pending.find(b"\n\n", searched)
            if end < 0:
                self._check_size(len(pending), [])
                return []
            with memoryview(pending) as view:
                first, block = bytes(view[: end + 2]), bytes(view[end + 2 :])
            pending.clear()
            return self._split(block, self._split(first, []))
        return self._split(block, [])

    @property
    def pending_bytes(self) -> int:
        return len(self._pending)

    def close(self) -> bytes:
        """Return what is left of an event without its final blank line. The standard discards it."""
        left = bytes(self._pending)
        self._pending.clear()
        return left

    def _split(self, block: bytes, events: list[bytes | SseEvent]) -> list[bytes | SseEvent]:
        """Append the events of a block to the given ones."""
        parts = block.split(b"\n\n")
        rest = parts.pop()
        limit = self._max_event
        for part in parts:
            if not part or (part[0] == COLON and LF not in part):
                continue  # runs of blank lines, or of comments, may be very long
            if len(part) > limit:
                raise EventTooLarge(limit, events)
            if part.startswith(_OBJECT) and LF not in part:
                events.append(part[6:])
                continue
            if part.startswith(_NAMED) and (named := _named(part)) is not None:
                events.append(named)
                continue
            if part.count(b"\n") > MOST_LINES:
                raise EventTooLarge(limit, events)
            events += events_of(part)
        if rest:
            self._check_size(len(rest), events)
            self._pending += rest
        return events

    def _check_size(self, size: int, events: list[bytes | SseEvent]) -> None:
        """Raises EventTooLarge."""
        if size > self._max_event + 1:  # its last byte may be half of the blank line
            raise EventTooLarge(self._max_event, events)
        if size > self._granted and self._grant_memory is not None:
            wanted = min(size + MEMORY_STEP, self._max_event + 1)
            if not self._grant_memory(wanted):
                raise EventTooLarge(size, events, is_ours=True)
            self._granted = wanted

    def _with_lf(self, block: bytes) -> bytes:
        """Convert CR and CRLF to LF. A CR at the end of a block counts at once; an LF that follows is dropped."""
        if not block:
            return block
        if self._ended_with_cr and block.startswith(b"\n"):
            block = block[1:]
            self._ended_with_cr = False
            if not block:
                return block
        self._ended_with_cr = block.endswith(b"\r")
        return block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _without_bom(self, block: bytes) -> bytes:
        head = bytes(self._pending) + block
        self._pending.clear()
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._pending += head  # too short to decide
            return b""
        self._begun = True
        return head.removeprefix(_BOM)


def _named(part: bytes) -> SseEvent | None:
    """Return an event of two lines, its name and an object, as most named events are; None: it has another form."""
    at = part.find(b"\n")
    if not part.startswith(_THEN_OBJECT, at) or part.find(b"\n", at + 1) >= 0:
        return None
    return SseEvent(part[at + 7 :], part[7:at].decode(errors="replace"))


def events_of(part: bytes) -> list[SseEvent]:
    """Parse the lines of one event. Comments or a lone id give no events."""
    data: list[bytes] = []
    kind = b""
    failed: bytes | None = None
    lines = part.split(b"\n")
    for at, line in enumerate(lines):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            kind = value.removeprefix(b" ")
        elif field == b"error":
            failed = value.removeprefix(b" ")
        elif line[:1] in b"{[" and line:
            stray = SseEvent(b"\n".join(lines[at:]), NO_FIELD)
            return [*_field(data, kind, failed), stray]
    return _field(data, kind, failed)


def _field(data: list[bytes], kind: bytes, failed: bytes | None) -> list[SseEvent]:
    events = [SseEvent(b"\n".join(data), kind.decode(errors="replace"))] if data else []
    if failed is not None:
        events.append(SseEvent(failed, ERROR))
    elif not data and kind == b"error":
        events.append(SseEvent(b"", ERROR))
    return events
