"""Parses `application/vnd.amazon.eventstream` from blocks of bytes as they arrive. Pure.

A frame: its length and that of its headers, the CRC of both; headers; payload; the CRC of all before it. Source: the
AWS documentation, "Amazon event stream specification". Cost: 3 us a frame; linear however small the blocks are.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import Final
from zlib import crc32

import msgspec

from providers.framing.malformed import MalformedStream
from providers.framing.sse import MAX_EVENT, MEMORY_FROM, GrantMemory

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"
_PRELUDE: Final = 12
_AROUND: Final = 16  # the prelude, and the CRC at the end
_MOST_HEADERS: Final = 128 * 1024
_KEPT_HEADERS: Final = 4 * 1024  # bytes of headers that are worth keeping parsed
_SIZES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # of values by type
_BYTES: Final = 6
_TEXT: Final = 7
_lengths = Struct(">III").unpack_from
_checksum = Struct(">I").unpack_from


class Frame(msgspec.Struct, frozen=True, gc=False):
    """`message` is event, exception or error; `name` its type or code; `reason` the message of an error."""

    message: str
    name: str
    payload: bytes
    reason: str = ""


class EventStreamParser:
    """Takes blocks, returns frames. `grant_memory(size)` is asked before a large frame is buffered."""

    __slots__ = ("_fault", "_grant_memory", "_max_event", "_needed", "_pending")

    def __init__(self, max_event: int = MAX_EVENT, grant_memory: GrantMemory | None = None) -> None:
        self._max_event, self._grant_memory = max_event, grant_memory
        self._pending = bytearray()
        self._needed = _PRELUDE  # bytes without which there is nothing more to be done
        self._fault: MalformedStream | None = None

    @property
    def unfinished_bytes(self) -> int:
        return len(self._pending)

    def feed(self, block: bytes) -> list[Frame]:
        """Return the frames that this block completes. Raises MalformedStream, after the frames before the fault."""
        if self._fault is not None:
            raise self._fault
        pending = self._pending
        if pending:
            pending += block
            if len(pending) < self._needed:
                return []
            block = bytes(pending)
            pending.clear()
        frames: list[Frame] = []
        try:
            rest = self._split(block, frames)
        except MalformedStream as fault:
            self._fault = fault
            if not frames:
                raise
            return frames
        if rest < len(block):
            pending += block[rest:]
        return frames

    def close(self) -> None:
        """The stream has ended. Raises MalformedStream for a fault that was found before."""
        if self._fault is not None:
            raise self._fault

    def _split(self, block: bytes, frames: list[Frame]) -> int:
        """Append the frames of a block; return where an unfinished one begins."""
        at, end, view = 0, len(block), memoryview(block)
        is_checked = self._needed > _PRELUDE  # the prelude of the first frame was
        while end - at >= _PRELUDE:
            size, header_size, checksum = _lengths(block, at)
            if not is_checked:
                if crc32(view[at : at + 8]) != checksum:
                    raise MalformedStream("a frame whose prelude has a wrong checksum")
                self._check(size, header_size)
            if end - at < size:
                self._needed = size
                return at
            is_checked, last, body = False, at + size - 4, at + _PRELUDE + header_size
            if crc32(view[at:last]) != _checksum(block, last)[0]:
                raise MalformedStream("a frame whose checksum is wrong")
            frames.append(_frame(block[at + _PRELUDE : body], block[body:last]))
            at += size
        self._needed = _PRELUDE
        return at

    def _check(self, size: int, header_size: int) -> None:
        """Check the lengths of a frame. Raises MalformedStream."""
        if header_size > min(size - _AROUND, _MOST_HEADERS):
            raise MalformedStream(f"a frame of {size} bytes with {header_size} bytes of headers")
        if size <= MEMORY_FROM:
            return
        if size > self._max_event + _MOST_HEADERS:
            raise MalformedStream(f"an event is larger than {self._max_event} bytes")
        if self._grant_memory is not None and not self._grant_memory(size):
            raise MalformedStream(f"there is no memory for an event of {size} bytes", is_ours=True)


def _frame(headers: bytes, payload: bytes) -> Frame:
    message, name, reason = (_kept if len(headers) <= _KEPT_HEADERS else _named)(headers)
    return Frame(message, name, payload, reason)


def _named(headers: bytes) -> tuple[str, str, str]:
    """Return the kind, the name and the reason in the headers of a frame."""
    found = headers_in(headers)
    message = found.get(":message-type", "event")
    if message == "error":
        return message, found.get(":error-code", ""), found.get(":error-message", "")
    return message, found.get(":exception-type" if message == "exception" else ":event-type", ""), ""


_kept = lru_cache(maxsize=256)(_named)


def headers_in(block: bytes) -> dict[str, str]:
    """Return the headers that are texts. Raises MalformedStream."""
    found: dict[str, str] = {}
    at, end = 0, len(block)
    while at < end:
        name_end = at + 1 + block[at]
        name, kind = block[at + 1 : name_end], block[name_end] if name_end < end else -1
        at = name_end + 1
        if kind in {_BYTES, _TEXT}:
            size = int.from_bytes(block[at : at + 2], "big") if at + 2 <= end else end
            at += 2
        elif kind in _SIZES:
            size = _SIZES[kind]
        else:
            raise MalformedStream("a frame with a header of an unknown type")
        if at + size > end:
            raise MalformedStream("a frame with a header that has no end")
        if kind == _TEXT:
            found[name.decode("utf-8", "replace")] = block[at : at + size].decode("utf-8", "replace")
        at += size
    return found
