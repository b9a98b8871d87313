"""The failure of a call for which the gateway has no memory; it is no evidence about the provider."""

from __future__ import annotations

from typing_extensions import override

from providers.errors.exceptions import UpstreamFailed


class OutOfMemory(UpstreamFailed):
    """There is no memory for an event of the stream."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, retryable=False, code="overloaded")
        self.kind, self.fault, self.answer_status = "no_room", "none", 503

    @property
    @override
    def client_message(self) -> str:
        return "The gateway has no memory left for this answer."
