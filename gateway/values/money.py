"""Formats integer nano-USD. Nothing here ever becomes a float."""

from __future__ import annotations

from decimal import Decimal

NANO = 1_000_000_000
LARGEST_NANOUSD = 9_000_000 * NANO  # of one amount: sums of windows stay far inside 64 bits


def usd(nanousd: int) -> str:
    """Return a decimal string with at least two and at most nine digits: 1_500_000_000 -> "1.50"."""
    if nanousd < 0:
        return f"-{usd(-nanousd)}"
    whole, rest = divmod(nanousd, NANO)
    if not rest:
        return f"{whole}.00"
    digits = f"{rest:09d}".rstrip("0")
    return f"{whole}.{digits}" if len(digits) > 1 else f"{whole}.{digits}0"


def usd_exact(nanousd: int | str) -> str:
    """Return the same of an amount that may have parts of a nano-USD, as receipts do: "0.5" -> "0.0000000005"."""
    whole, _, rest = f"{Decimal(nanousd) / NANO:f}".partition(".")
    return f"{whole}.{rest.rstrip('0').ljust(2, '0')}"


def usd_aligned(nanousd: int) -> str:
    """Return always nine digits, for columns: 1_500_000_000 -> "1.500000000"."""
    whole, rest = divmod(abs(nanousd), NANO)
    return f"{'-' if nanousd < 0 else ''}{whole}.{rest:09d}"


def in_usd(units: int, per_usd: int = NANO) -> Decimal:
    """Return an amount as a number without trailing zeros; `per_usd` units are one USD."""
    amount = (Decimal(units) / per_usd).normalize()
    return amount.quantize(Decimal(1)) if amount == amount.to_integral_value() else amount


def cents(nanousd: int) -> str:
    """Return whole cents, rounded up, as the original's headers carry them."""
    return str(-(-nanousd // 10_000_000))
