"""Records as frames: marker | length u32 | CRC-32C u32 | MessagePack. Pure; 1 us to write one, 2.5 to read.

The marker begins with bytes that are illegal in UTF-8, so no text inside a record can imitate a frame: after
damage the reader looks for the next marker whose checksum is correct and continues there.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from crc32c import crc32c

from metering.journal.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

MARKER = b"\xff\xfeOG"
_HEAD = struct.Struct("<4sII")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Record).decode


class Gap(NamedTuple):
    """Bytes [start, end) that hold no readable frame. `torn`: only a write cut off at the end."""

    start: int
    end: int
    torn: bool


def encode(record: Record) -> bytes:
    """Return the frame of a record."""
    try:
        payload = _encode(record)
    except UnicodeEncodeError:  # half a surrogate pair from external JSON must not lose the record
        payload = _encode(_scrubbed(msgspec.to_builtins(record)))
    length = len(payload)
    return _HEAD.pack(MARKER, length, _checksum(length, payload)) + payload


def scan(buffer: bytes, start: int = 0) -> Iterator[tuple[Record | Gap, int]]:
    """Yield each record with the offset where its frame ends, a Gap for what cannot be read."""
    size = len(buffer)
    while start < size:
        found = _frame_at(buffer, start)
        if found is not None:
            start = found[1]
            yield found
            continue
        end = _next_good(buffer, start + 1)
        yield Gap(start, end, torn=end == size and _is_unfinished(buffer, start)), end
        start = end


def _frame_at(buffer: bytes, at: int) -> tuple[Record, int] | None:
    """Read the frame at this offset; None if there is no complete and valid one."""
    if len(buffer) - at < _HEAD.size:
        return None
    marker, length, checksum = _HEAD.unpack_from(buffer, at)
    end = at + _HEAD.size + length
    if marker != MARKER or end > len(buffer):
        return None
    payload = buffer[at + _HEAD.size : end]
    if _checksum(length, payload) != checksum:
        return None
    try:
        return _decode(payload), end
    except (msgspec.DecodeError, UnicodeDecodeError):  # valid bytes of a release that this one cannot read
        return None


def _next_good(buffer: bytes, start: int) -> int:
    """Return the offset of the next valid frame, or the end of the buffer."""
    while (at := buffer.find(MARKER, start)) >= 0:
        if _frame_at(buffer, at) is not None:
            return at
        start = at + 1
    return len(buffer)


def _is_unfinished(buffer: bytes, at: int) -> bool:
    """Return True for a write cut off by a crash, False for a whole frame that was damaged."""
    head = buffer[at : at + _HEAD.size]
    if head[:4] != MARKER[: len(head[:4])]:
        return not any(buffer[at:])  # blocks that were allocated but never written read as zeros
    return len(head) < _HEAD.size or at + _HEAD.size + _HEAD.unpack(head)[1] > len(buffer)


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list | tuple):
        return [_scrubbed(item) for item in value]
    if isinstance(value, dict):
        return {_scrubbed(key): _scrubbed(item) for key, item in value.items()}
    return value


def _checksum(length: int, payload: bytes) -> int:
    """Cover the length too: a flipped bit in it must not mislead the reader."""
    checksum: int = crc32c(payload, length)
    return checksum
