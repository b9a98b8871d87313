"""Formats numbers, amounts, instants and lists for the explanation of a call. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NANO = Decimal(10**9)
UNTOLD = "This was not kept: the call is of an older release, or the process that served it was killed before its end."


def usd(nanousd: int | str) -> str:
    """Return an exact amount in USD, at least to the cent."""
    whole, _, rest = f"{Decimal(nanousd) / NANO:f}".partition(".")
    return f"{whole}.{rest.rstrip('0').ljust(2, '0')}"


def price_row(price_id: int) -> str:
    return f"price row {price_id}" if price_id else "no price row"


def many(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def milliseconds(milliseconds: float) -> str:
    return f"{milliseconds:,.1f} ms" if milliseconds < 10 else f"{milliseconds:,.0f} ms"  # noqa: PLR2004


def instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
