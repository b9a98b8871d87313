"""How much may be in a JSON document, and what is raised when there is more, or when it is none."""

from __future__ import annotations

from typing import Final

import msgspec

from providers.usage import Usage

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


class MalformedAnswer(Exception):
    """The upstream's 2xx answer is not what its dialect promises (HTML, cut JSON, another document).

    `usage` is what it says that was used, where that much can be read: it will be billed. `body`: it is an error's.
    """

    quoted = b""  # the beginning of it

    def __init__(self, reason: str, usage: Usage | None = None, body: bytes | None = None) -> None:
        super().__init__(reason)
        self.usage, self.body = usage, body
