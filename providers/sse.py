"""Reads server-sent events from blocks of bytes as they come (WHATWG, "Interpreting an event stream"). Pure.

Cost: one search for a blank line per block and one slice per event; linear however small the blocks are.
"""

from __future__ import annotations

from typing import Final

import msgspec

MAX_EVENT: Final = 1024 * 1024
MOST_LINES: Final = 10_000  # of one event; more take too long to read, and nobody writes them
LF: Final = 10  # as a number it is found twice as fast
_BOM: Final = b"\xef\xbb\xbf"


class SseEvent(msgspec.Struct, frozen=True, gc=False):
    """One event: its data lines joined by LF, and its type ("" when the stream names none)."""

    data: bytes
    event: str = ""


class EventTooLarge(Exception):
    """An event grew beyond the cap; `events` are those that the same block completed before it."""

    def __init__(self, limit: int, events: list[SseEvent]) -> None:
        super().__init__(f"an event is larger than {limit} bytes")
        self.limit, self.events = limit, events


class SseParser:
    """Feed it blocks, get events. Line ends may be LF, CR, CRLF or a mix; a block may end anywhere."""

    __slots__ = ("_begun", "_ended_with_cr", "_max_event", "_pending")

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max_event = max_event
        self._pending = bytearray()  # an unfinished event, its line ends already LF
        self._begun = False
        self._ended_with_cr = False

    def feed(self, block: bytes) -> list[SseEvent]:
        """Return the events that this block completes. Raises EventTooLarge."""
        if not self._begun:
            block = self._without_bom(block)
        if self._ended_with_cr or b"\r" in block:
            block = self._with_lf(block)
        pending = self._pending
        if pending:
            searched = len(pending) - 1
            pending += block
            if pending.find(b"\n\n", searched) < 0:
                if len(pending) > self._max_event + 1:
                    raise EventTooLarge(self._max_event, [])
                return []
            block = bytes(pending)
            pending.clear()
        return self._split(block)

    @property
    def pending_bytes(self) -> int:
        return len(self._pending)

    def close(self) -> bytes:
        """Return what is left of an event that never got its blank line. The standard discards it."""
        left = bytes(self._pending)
        self._pending.clear()
        return left

    def _split(self, block: bytes) -> list[SseEvent]:
        parts = block.split(b"\n\n")
        rest = parts.pop()
        events: list[SseEvent] = []
        limit = self._max_event
        for part in parts:
            if not part:
                continue  # a run of blank lines may be very long
            if len(part) > limit:
                raise EventTooLarge(limit, events)
            if part.startswith(b"data: ") and LF not in part:
                events.append(SseEvent(part[6:]))
                continue
            if part.count(b"\n") > MOST_LINES:
                raise EventTooLarge(limit, events)
            event = _event_of(part)
            if event is not None:
                events.append(event)
        if rest:
            if len(rest) > limit + 1:  # its last byte may be half of the blank line
                raise EventTooLarge(limit, events)
            self._pending += rest
        return events

    def _with_lf(self, block: bytes) -> bytes:
        """Turn CR and CRLF into LF. A CR that ends a block counts at once; an LF that follows does not."""
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
            self._pending += head  # too short to tell
            return b""
        self._begun = True
        return head.removeprefix(_BOM)


def _event_of(part: bytes) -> SseEvent | None:
    """Read the lines of one event. None: it has no data (comments, a lone id)."""
    data: list[bytes] = []
    kind = b""
    for line in part.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            kind = value.removeprefix(b" ")
    return SseEvent(b"\n".join(data), kind.decode(errors="replace")) if data else None
