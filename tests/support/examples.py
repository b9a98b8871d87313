"""How many examples a property is tried with: few in `make test`, always the same; more in `make soak`, others."""

from __future__ import annotations

from hypothesis import settings


def examples(few: int, many: int) -> settings:
    """Return the decorator of a property."""
    return settings(max_examples=few if settings().derandomize else many)
