"""Mints X-Request-ID: "req_" and a UUIDv7 (RFC 9562, 5.7) in hex, so that ids sort by time and index well."""

from __future__ import annotations

import os
import time


def mint() -> str:
    """Return a new id. 48 bits of milliseconds, then 74 random bits."""
    random = int.from_bytes(os.urandom(10), "big")
    value = (time.time_ns() // 1_000_000) << 80 | 0x7 << 76 | (random >> 68 & 0xFFF) << 64
    value |= 0x2 << 62 | random & 0x3FFFFFFFFFFFFFFF
    return f"req_{value:032x}"
