"""Reads a binary response: its bytes pass as they are. What it used is known from the request, or not at all."""

from __future__ import annotations

from providers.dialects.base import ParsedEvent
from providers.usage import Usage


class BinaryStream:
    """The `Stream` of a response that has no events. `usage` is known before it begins, or None."""

    def __init__(self, usage: Usage | None = None) -> None:
        self.usage = usage
        self.started = self.done = False
        self.failure: bytes | None = None
        self.large: bytes | None = None
        self.has_offload = self.is_full = False
        self.produced_events = self.produced_bytes = self.sound_chars = 0  # of text and tokens: it has none
        self.received_bytes = 0
        self.unfinished_bytes = self.produced_tokens = 0
        self.final = b""

    @property
    def is_finished(self) -> bool:
        return self.done

    @property
    def has_final_usage(self) -> bool:
        return self.usage is not None

    def failed(self, _body: bytes) -> bytes:
        """Nothing can be added to the bytes."""
        return b""

    def set_target(self, model: str, secrets: tuple[str, ...]) -> None:
        """Nothing in the bytes names a model."""

    def feed(self, block: bytes) -> bytes:
        self.started = self.started or bool(block)
        self.received_bytes += len(block)
        return block

    def resume(self, event: ParsedEvent) -> bytes:
        raise NotImplementedError("a binary response has no events")

    def end(self) -> bytes:
        self.done = self.started
        return b""

    def produced(self) -> str:
        return ""
