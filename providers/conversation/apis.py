"""What an API must provide to take part: the client's side, and the upstream's. Values made of pure functions.

A client API: a body becomes a Conversation, and events become the client's bytes. An upstream API: a Conversation
becomes a body, and the provider's bytes become events. providers/conversation/registry.py lists both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeAlias

import msgspec

from providers.conversation.events import Event
from providers.conversation.folding import Message
from providers.conversation.parameters import Table
from providers.conversation.request import Conversation
from providers.framing.sse import GrantMemory
from providers.isolation.ownership import Ownership
from providers.request_additions import Added
from providers.target import Target


class WriterContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a writer of responses needs beside the events. `created` is Unix time, in seconds.

    `owner` is the id of the deployment that answers; signatures and ids are marked with it. `prompt_tokens` is an
    estimate, for an API that states them before the provider does.
    """

    alias: str
    response_id: str  # the gateway's id of the call, letters and digits
    created: int
    conversation: Conversation
    owner: int = 0
    ownership: Ownership | None = None  # None: nothing is marked (the operator's own call)
    includes_usage: bool = False  # OpenAI's `stream_options.include_usage`
    prompt_tokens: int = 0


class StreamWriter(Protocol):
    """Writes one stream for the client, from an ordered sequence. `final` is set once Ended was written: it is sent
    when the call is recorded.
    """

    final: bytes

    def write(self, event: Event) -> bytes:
        """Return the client's bytes for one event; b"" for Failed, Ended and what the API does not show."""
        ...

    def failed(self, body: bytes) -> bytes:
        """Return the last bytes of a stream that broke; `body` is the encoded error envelope of the client's API."""
        ...


class ClientSide(msgspec.Struct, frozen=True):
    """A client API. `read` raises Unacceptable and msgspec.DecodeError."""

    name: str
    read: Callable[[bytes, Ownership | None], Conversation]
    stream_writer: Callable[[WriterContext], StreamWriter]
    document: Callable[[Message, WriterContext], bytes]


class ResponseReader(Protocol):
    """Reads one provider's stream. Incremental: the bytes may be split anywhere."""

    @property
    def unfinished_bytes(self) -> int:
        """Bytes of an event that has begun and is not complete."""
        ...

    def feed(self, block: bytes) -> Iterable[Event]:
        """Return the events that these bytes complete. Raises MalformedStream."""
        ...

    def close(self) -> Iterable[Event]:
        """The provider closed the stream: return what remains. Whether it was complete shows in the events."""
        ...


class SentOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway decides of a request. `cap`: the most output tokens, of each choice; None: the client's, if any.

    `headers`: the client's own that concern the API (anthropic-beta, anthropic-version), in lower case. `added`: how
    the target takes what the gateway adds (providers/request_additions.py); None: as its row states.
    """

    cap: int | None = None
    headers: dict[str, str] = {}
    added: Added | None = None


ReaderFactory: TypeAlias = Callable[
    [int, GrantMemory | None], ResponseReader
]  # the largest event in bytes, memory


class UpstreamSide(msgspec.Struct, frozen=True, kw_only=True):
    """An upstream API.

    `write` returns the body, and raises Unsupported. `stream` says whether it must be streamed there (a long answer may
    be, although the client gets one document). `path` is what the provider's address is completed with
    (providers/registry.py); `headers` are beside those of every request, `call_headers` those that depend on the
    conversation. `is_sse`: its streams are server-sent events.
    """

    name: str
    parameters: Table
    write: Callable[[Conversation, Target, SentOptions], bytes]
    reader: ReaderFactory
    document: Callable[[bytes], Iterable[Event]]  # of a whole response. Raises MalformedAnswer
    path: Callable[[Target, bool], str]  # target, whether it is a stream
    headers: Callable[[Target, SentOptions], dict[str, str]] = lambda _target, _options: {}
    call_headers: Callable[[Conversation, Target], dict[str, str]] = lambda _conversation, _target: {}
    streams: Callable[[Conversation, Target, SentOptions], bool] = lambda conversation, _target, _options: (
        conversation.stream
    )
    is_sse: bool = True
    accept: str = "text/event-stream"
