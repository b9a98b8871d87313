"""How much may be in a JSON document, and what is raised when there is more, or when it is none."""

from __future__ import annotations

from typing import Final

import msgspec

VALUE_BYTES: Final = 64  # what a value takes once decoded, beside its own bytes


class Limits(msgspec.Struct, frozen=True):
    """The most there may be of each."""

    nesting: int = 64
    messages: int = 2_048
    parts: int = 256  # of the content of one message
    inputs: int = 2_048
    values: int = 400_000  # names, texts, numbers, lists and objects together
    members: int = 20_000  # those inside of `bulk`, which may be large for good reasons, are not counted
    bulk: frozenset[str] = frozenset()
    runs: int = 1  # so many numbers in a row count as one value


class OverLimit(Exception):
    """There is more in it than may be; `what` is the field of Limits."""

    def __init__(self, what: str, limit: int) -> None:
        self.what, self.limit = what, limit
        super().__init__(f"more than {limit} {what}")


class NotJson(Exception):
    """This is no JSON object, or one that no honest client would write."""
