"""Formats instants, waits and lists for the explanation of a call. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NOT_RECORDED = (
    "This was not kept: the call is of an older release, "
    "or the process that served it was killed before its end."
)


def price_row(price_id: int) -> str:
    return f"price row {price_id}" if price_id else "no price row"


def listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def milliseconds(milliseconds: float) -> str:
    return f"{milliseconds:,.1f} ms" if milliseconds < 10 else f"{milliseconds:,.0f} ms"  # noqa: PLR2004


def instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
