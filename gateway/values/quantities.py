"""Numbers as messages show them: each with its unit, thousands with separators. Pure; any app may import it."""

from __future__ import annotations

import math

_STEPS = ((1024**3, "GB"), (1024**2, "MB"), (1024, "KB"))
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def size(number: int) -> str:
    """Return a number of bytes in the largest unit that is exact: "20 MB" (of 1,024 KB each), "1,500 bytes"."""
    for step, unit in _STEPS:
        if number >= step and number % step == 0:
            return f"{number // step:,} {unit}"
    return many(number, "byte")


def seconds(number: float) -> str:
    """Return a wait in words, never shorter than it is: "0.3 seconds", "61 seconds", "15 minutes", "2 hours"."""
    if number < 1:
        return f"{max(1, math.ceil(number * 10)) / 10:g} seconds" if number <= 0.9 else "1 second"  # noqa: PLR2004
    whole = math.ceil(number)
    for least, step, noun in (
        (2 * _DAY, _DAY, "day"),
        (2 * _HOUR, _HOUR, "hour"),
        (5 * _MINUTE, _MINUTE, "minute"),
    ):
        if whole >= least:
            return many(-(-whole // step), noun)
    return many(whole, "second")


def many(number: int, noun: str) -> str:
    """Return "1 byte", "1,500 bytes"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
