"""What the headers of Anthropic's API say about a 429: when its limits have room again, or that one is of a month.

Source: Anthropic's API reference, "Rate limits: Response headers". Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from providers.errors.retry_after import MAX_RETRY_AFTER_S, milliseconds, parse_retry_after

_LIMITED: Final = 429
_BEGIN: Final = "anthropic-ratelimit-"
_REMAINING: Final = "-remaining"
_REQUEST: Final = "req_"  # how the API's own ids of requests begin


def wait_asked_for(status: int, headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that a response asks to wait; None: it does not."""
    wait = milliseconds(headers.get("retry-after-ms"))
    if wait is None:
        wait = parse_retry_after(headers.get("retry-after"), now)
    return _wait(headers, now) if wait is None and status == _LIMITED else wait


def _wait(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds until every limit that is used up has room again; None: the headers name none."""
    waits = [
        wait
        for name, value in headers.items()
        if name.startswith(_BEGIN) and name.endswith(_REMAINING) and value.strip() == "0"
        if (wait := _until(headers.get(f"{name.removesuffix(_REMAINING)}-reset", ""), now)) is not None
    ]
    return max(waits, default=None)


def is_used_up(headers: Mapping[str, str], wait_s: float | None) -> bool:
    """Return whether a 429 of the API itself names no time to wait: then a monthly limit is reached."""
    return wait_s is None and headers.get("request-id", "").startswith(_REQUEST)


def _until(instant: str, now: float) -> float | None:
    """Return the seconds until an RFC 3339 instant."""
    try:
        found = datetime.fromisoformat(instant)
    except ValueError:
        return None
    seconds = (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp() - now
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)
