"""The cooldown that a provider asks for: `Retry-After` (RFC 9110, 10.2.3), and OpenAI's `retry-after-ms`. Pure."""

from __future__ import annotations

import math
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

MAX_RETRY_AFTER_S: Final = 86_400.0


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds a Retry-After asks for (a number or an HTTP date), never negative, at most a day."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = _until(value, now)
    return _in_range(seconds)


def milliseconds(value: str | None) -> float | None:
    """Convert milliseconds to seconds; None if the value is no number."""
    try:
        return _in_range(float(value) / 1000) if value else None
    except ValueError:
        return None


def _until(date: str, now: float) -> float:
    try:
        instant = parsedate_to_datetime(date)
    except (ValueError, TypeError, IndexError, OverflowError):
        return math.nan
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return max(0.0, instant.timestamp() - now)


def _in_range(seconds: float) -> float | None:
    is_one = seconds >= 0 and math.isfinite(seconds)  # NaN is not >= 0
    return min(seconds, MAX_RETRY_AFTER_S) if is_one else None
