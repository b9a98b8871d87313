"""Frames of `application/vnd.amazon.eventstream`: prelude, headers, payload, both checksums. Pure."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import orjson

_STRING = 7
_OVERHEAD = 16  # lengths and prelude's checksum, 12; the message's checksum, 4


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """Return one frame; every header is a string."""
    packed = b"".join(
        struct.pack("!B", len(name))
        + name.encode()
        + struct.pack("!BH", _STRING, len(value))
        + value.encode()
        for name, value in headers.items()
    )
    lengths = struct.pack("!II", _OVERHEAD + len(packed) + len(payload), len(packed))
    body = lengths + struct.pack("!I", zlib.crc32(lengths)) + packed + payload
    return body + struct.pack("!I", zlib.crc32(body))


def event(kind: str, payload: dict[str, Any]) -> bytes:
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, orjson.dumps(payload))


def exception(kind: str, message: str) -> bytes:
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, orjson.dumps({"message": message}))
