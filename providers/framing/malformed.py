"""A stream that cannot be read."""

from __future__ import annotations

from providers.usage import Usage


class MalformedStream(Exception):
    """The upstream sent something that is not an event of its API. `body`: an error body, to classify it.

    `is_ours`: the gateway has no memory for it.
    """

    usage: Usage | None = None

    def __init__(self, reason: str, body: bytes | None = None, *, is_ours: bool = False) -> None:
        super().__init__(reason)
        self.body, self.is_ours = body, is_ours
