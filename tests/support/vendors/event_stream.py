"""Writes frames of `application/vnd.amazon.eventstream`, as AWS does."""

from __future__ import annotations

import json
import struct
from binascii import crc32
from typing import Any


def header(name: str, value: str) -> bytes:
    text = value.encode()
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(text)) + text


def frame(payload: bytes, headers: bytes) -> bytes:
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    head = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return head + struct.pack(">I", crc32(head))


def event(kind: str, payload: Any) -> bytes:
    headers = header(":event-type", kind) + header(":content-type", "application/json")
    return frame(json.dumps(payload).encode(), headers + header(":message-type", "event"))


def exception(kind: str, payload: Any) -> bytes:
    headers = header(":exception-type", kind) + header(":content-type", "application/json")
    return frame(json.dumps(payload).encode(), headers + header(":message-type", "exception"))


def error(code: str, message: str) -> bytes:
    headers = header(":error-code", code) + header(":error-message", message)
    return frame(b"", headers + header(":message-type", "error"))
