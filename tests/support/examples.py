"""The number of examples of a property: few and always the same in `make test`, more and random in `make soak`."""

from __future__ import annotations

from hypothesis import settings


def examples(few: int, many: int) -> settings:
    """Return the decorator of a property."""
    return settings(max_examples=few if settings().derandomize else many)
