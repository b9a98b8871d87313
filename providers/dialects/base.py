"""What a dialect is: bytes in, bytes and usage out. One file per (client)_(upstream) pair; no I/O; made per call."""

from __future__ import annotations

from typing import Protocol

import msgspec

from providers.target import Target
from providers.usage import Usage


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What the dialect must know of the client's request; filled in by the endpoint's peek."""

    alias: str
    path: str  # below /v1, for example "chat/completions"
    stream: bool = False
    include_usage: bool = False  # the client asked for the usage chunk
    output_cap: int | None = None  # inject this cap because the client gave none (or a clamp lowered it)
    cap_fields: tuple[str, ...] = ()  # the cap fields the client sent, to be replaced when clamped
    content_key: str = "choices"  # the member an answer must have to be believed


class Answered(msgspec.Struct, frozen=True):
    """A complete answer: the client's bytes, what it used (None: the provider did not say), and the text produced."""

    body: bytes
    usage: Usage | None
    produced: str = ""


class Stream(Protocol):
    """Reads one upstream stream. State is public so that the relay, the meter and the marks see the same truth."""

    started: bool  # the first content event was seen
    done: bool  # the stream is complete: `[DONE]`, or every choice finished
    usage: Usage | None
    failure: bytes | None  # an error the provider sent inside the stream
    produced_events: int
    secrets: tuple[str, ...]  # of the call's target: events that are no content are searched for them

    def feed(self, block: bytes) -> bytes:
        """Return what goes to the client for these upstream bytes. Raises MalformedStream."""
        ...

    def end(self) -> bytes:
        """The upstream closed; return what is still owed to the client. `done` then says whether it was complete."""
        ...

    def produced(self) -> str:
        """The text produced so far, for counting when the provider does not."""
        ...


class MalformedStream(Exception):
    """The upstream sent something that is not an event of this dialect."""


class Dialect(Protocol):
    """Translates one call. Made per call."""

    def request(self, raw: bytes, target: Target) -> bytes: ...

    def response(self, raw: bytes) -> Answered:
        """Raises MalformedAnswer."""
        ...

    def stream(self) -> Stream: ...


class MalformedAnswer(Exception):
    """The upstream's 2xx answer is not what its dialect promises (HTML, cut JSON, another document)."""
