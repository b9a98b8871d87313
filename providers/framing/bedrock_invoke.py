"""Takes the Anthropic events out of the stream of Bedrock's InvokeModel: each `chunk` has one, in base64. Pure.

A body for it has `anthropic_version`, neither `model` nor `stream`, and beta flags as the array `anthropic_beta`
(providers/platforms/anthropic.py).
"""

from __future__ import annotations

import msgspec

from providers.framing.aws_event_stream import EventStreamParser
from providers.framing.aws_exceptions import error_in
from providers.framing.malformed import MalformedStream
from providers.framing.sse import ERROR, MAX_EVENT, GrantMemory, SseEvent


class _Chunk(msgspec.Struct):
    event: bytes = msgspec.field(name="bytes")


_decode = msgspec.json.Decoder(_Chunk).decode


class BedrockInvokeParser:
    """Takes blocks, returns the JSON of the events, as SseParser does; an exception is an `error` event."""

    __slots__ = ("_fault", "_frames")

    def __init__(self, max_event: int = MAX_EVENT, grant_memory: GrantMemory | None = None) -> None:
        self._frames = EventStreamParser(max_event * 4 // 3, grant_memory)
        self._fault: MalformedStream | None = None

    @property
    def pending_bytes(self) -> int:
        return self._frames.unfinished_bytes

    def feed(self, block: bytes) -> list[bytes | SseEvent]:
        """Raises MalformedStream, after the events before the fault."""
        if self._fault is not None:
            raise self._fault
        out: list[bytes | SseEvent] = []
        for frame in self._frames.feed(block):
            if frame.message != "event":
                out.append(SseEvent(error_in(frame).anthropic, ERROR))
            elif frame.name == "chunk":
                try:
                    out.append(_decode(frame.payload).event)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    self._fault = MalformedStream(f"a chunk without an event: {error}")
                    if not out:
                        raise self._fault from error
                    break
        return out

    def close(self) -> bytes:
        """Raises MalformedStream. An unfinished frame is no event."""
        if self._fault is not None:
            raise self._fault
        self._frames.close()
        return b""
