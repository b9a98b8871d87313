"""How the events of a stream come: as server-sent events, or as the chunks of an AWS event stream. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol

from providers.framing.bedrock_invoke import BedrockInvokeParser
from providers.framing.sse import GrantMemory, SseEvent, SseParser
from providers.platforms.anthropic import Framing


class Frames(Protocol):
    """Takes blocks, and returns the JSON of events. Raises EventTooLarge, MalformedStream."""

    @property
    def pending_bytes(self) -> int:
        """Bytes of an event that has begun and is not complete."""
        ...

    def feed(self, block: bytes) -> Iterable[bytes | SseEvent]: ...

    def close(self) -> bytes:
        """Return what is left of an event without its end."""
        ...


FramesFactory = Callable[[int, GrantMemory | None], Frames]

# In an AWS event stream each `chunk` has one event, in base64.
FRAMES: Final[dict[Framing, FramesFactory]] = {"sse": SseParser, "aws": BedrockInvokeParser}
