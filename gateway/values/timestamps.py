"""Formats instants: RFC 3339 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


@lru_cache(maxsize=1024)
def rfc3339(instant: float) -> str:
    """Return "2026-11-23T00:00:00Z" for epoch seconds; cached, because every response needs resets."""
    return datetime.fromtimestamp(instant, UTC).isoformat().replace("+00:00", "Z")
