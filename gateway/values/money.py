"""Formats integer nano-USD. Nothing here ever becomes a float."""

from __future__ import annotations

NANO = 1_000_000_000


def usd(nanousd: int) -> str:
    """Return a decimal string with at least two and at most nine digits: 1_500_000_000 -> "1.50"."""
    if nanousd < 0:
        return f"-{usd(-nanousd)}"
    whole, rest = divmod(nanousd, NANO)
    if not rest:
        return f"{whole}.00"
    digits = f"{rest:09d}".rstrip("0")
    return f"{whole}.{digits}" if len(digits) > 1 else f"{whole}.{digits}0"


def cents(nanousd: int) -> str:
    """Return whole cents, rounded up, as the original's headers carry them."""
    return str(-(-nanousd // 10_000_000))
