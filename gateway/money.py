"""Prints integer nano-USD. Nothing here ever becomes a float."""

from __future__ import annotations

NANO = 1_000_000_000


def usd(nanousd: int) -> str:
    """Return a decimal string with at least two and at most nine digits: 1_500_000_000 -> "1.50"."""
    sign = "-" if nanousd < 0 else ""
    whole, rest = divmod(abs(nanousd), NANO)
    digits = f"{rest:09d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{digits}"


def cents(nanousd: int) -> str:
    """Return whole cents, rounded up, as the original's headers carry them."""
    return str(-(-nanousd // 10_000_000))
