"""Limits of the content of a JSON document, and the errors raised when it exceeds them or is not JSON."""

from __future__ import annotations

from typing import Final

import msgspec

from providers.usage import Usage

NO_LIMIT: Final = 2**31  # more than any body or response has of anything
VALUE_BYTES: Final = 64  # memory of a decoded value, beside its own bytes


class Limits(msgspec.Struct, frozen=True):
    """The maximum number of each."""

    nesting: int = 64
    messages: int = 2_048
    parts: int = 256  # of the content of one message
    inputs: int = 2_048
    values: int = 400_000  # names, strings, numbers, lists and objects together
    members: int = 20_000  # without those inside of `bulk`, which may legitimately be large
    bulk: frozenset[str] = frozenset()
    runs: int = 1  # this many consecutive numbers count as one value


class OverLimit(Exception):
    """A limit is exceeded; `what` is the field of Limits."""

    def __init__(self, what: str, limit: int) -> None:
        self.what, self.limit = what, limit
        super().__init__(f"more than {limit} {what}")


class NotJson(Exception):
    """This is not a JSON object, or one that no legitimate client would send."""


class MalformedAnswer(Exception):
    """The upstream's 2xx response does not follow its dialect (HTML, truncated JSON, another document).

    `usage` is the usage it reports, where that can be read: it will be billed. `body`: an error body.
    """

    quoted = b""  # the beginning of the response

    def __init__(self, reason: str, usage: Usage | None = None, body: bytes | None = None) -> None:
        super().__init__(reason)
        self.usage, self.body = usage, body
