"""Parses amounts of money in command arguments. Pure."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from gateway.config.fields import MOST_USD
from gateway.values.money import NANO


def nanousd_of(text: str) -> int | None:
    """Return an amount in USD as nano-USD; None if it is not an amount from 0 to MOST_USD in whole nano-USD."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    if not amount.is_finite() or not 0 <= amount <= MOST_USD or amount * NANO % 1:
        return None
    return int(amount * NANO)
