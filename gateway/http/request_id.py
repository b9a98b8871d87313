"""Creates X-Request-ID: "req_" and a UUIDv7 (RFC 9562, 5.7) in hex, so that ids sort by time and index well."""

from __future__ import annotations

import os
import time
from random import Random

_random = Random()  # noqa: S311 - ids are unique, not secret; seeded from the system, and no system call per id
_bits = _random.getrandbits
os.register_at_fork(after_in_child=_random.seed)  # else all workers would generate the same ids


def mint() -> str:
    """Return a new id. 48 bits of milliseconds, then 74 random bits."""
    random = _bits(74)
    value = (time.time_ns() // 1_000_000) << 80 | 0x7 << 76 | (random >> 62) << 64
    value |= 0x2 << 62 | random & 0x3FFFFFFFFFFFFFFF
    return f"req_{value:032x}"
