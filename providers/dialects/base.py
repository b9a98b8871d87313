"""The dialect interface: bytes in, bytes and usage out. One file per (client)_(upstream) pair; no I/O; one per call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from providers.dialects.openai.chunks import Chunk, LooseChoice
from providers.isolation.tenant_salt import METADATA, Salt, member_at
from providers.json_scan.limits import MalformedAnswer
from providers.reported_usage.reading import UsageJson
from providers.request_additions import Added
from providers.requests.layout import Layout
from providers.target import Target
from providers.usage import Usage

if TYPE_CHECKING:
    from providers.dialects.lenient.document import Document

BYTES_IN_A_TOKEN = 16  # ordinary text has 4, tables padded with spaces a few more
SOUND_CHARS_IN_A_TOKEN = 3_200  # base64 of 50 ms of 24 kHz PCM: the longest audio token, largest encoding


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What the dialect must know about the client's request; filled in by the endpoint's peek."""

    alias: str
    path: str  # below /v1, for example "chat/completions"
    stream: bool = False
    include_usage: bool = False  # the client asked for the usage chunk
    choices: int = 1  # the number requested; all of them must finish
    output_cap: int | None = (
        None  # sent upstream as the only cap; None: no cap is needed, bytes pass unchanged
    )
    stated_cap: int | None = None  # what the client wrote
    cap_names: tuple[str, ...] = ()  # the members that state it, which the one cap replaces
    exact: bool = True  # False: a key may be duplicated, so the body is reassembled
    content_key: str = "choices"  # the member a valid response must have
    names: tuple[str, ...] = ()  # members that name a cache or a person: they are salted before sending
    absent: tuple[str, ...] = ()  # empty members, which some servers refuse: they are not sent
    salt: Salt | None = None  # the tenant's; None: the operator's own call
    response_id: str = ""  # the gateway's id of the call, for responses that need one
    client_headers: dict[str, str] = {}  # the client's own that concern its API, by lower-case name
    tools: bool = False  # it offers tools
    prompt_tokens: int = 0  # an estimate
    layout: Layout | None = None  # of a large body, which is never split into members

    def cache_member(self, target: Target) -> str:
        """Return the chat member that separates the target's prompt cache by tenant; "": there is none.

        A provider's usual member is one of chats only; a deployment's own is one of completions too.
        """
        if self.salt is None or self.content_key != "choices":
            return ""
        return target.metadata.get(METADATA, "") if self.path == "completions" else member_at(target)


class Answered(msgspec.Struct, frozen=True):
    """A complete response: the client's bytes, its usage (None: the provider reported none), and the text produced."""

    body: bytes
    usage: Usage | None
    produced: str = ""  # where the usage does not cover it
    source: bytes | None = None  # what was parsed, where that differs from what was received

    @property
    def is_known(self) -> bool:
        """Whether the usage is known without counting tokens."""
        return self.usage is not None and not self.produced


class ParsedEvent(msgspec.Struct, frozen=True, array_like=True):
    """The content of a large stream event that was parsed in another process. `error` is the body of an error."""

    malformed: str = ""
    error: bytes | None = None
    choices: list[LooseChoice] = []
    usage: UsageJson | None = None
    service_tier: Any = None
    layout: Layout | None = None

    def chunk(self) -> Chunk:
        return Chunk(choices=[*self.choices], usage=self.usage, service_tier=self.service_tier)


class Stream(Protocol):
    """Reads one upstream stream. State is public so that the relay, the meter and the marks read the same values."""

    started: bool  # the first content event was seen
    done: bool  # the stream is complete: `[DONE]`, or every choice finished
    usage: Usage | None
    failure: bytes | None  # the body of an error that the provider sent inside the stream
    large: bytes | None  # an event to be parsed in another process before anything else is fed
    has_offload: bool  # another process is available for that
    is_full: bool  # it failed because the gateway has no memory for an event
    produced_events: int
    produced_bytes: int  # of text, tool arguments and reasoning, in UTF-8
    sound_chars: int  # of audio, in base64

    @property
    def unfinished_bytes(self) -> int:
        """Bytes of an event that has begun and is not complete."""
        ...

    @property
    def final(self) -> bytes:
        """The last bytes of a complete response, which are sent once the call is recorded."""
        ...

    def failed(self, body: bytes) -> bytes:
        """Return the last bytes of a stream that broke; `body` is the encoded error of the client's API.

        b"": the client API's usual event.
        """
        ...

    @property
    def is_finished(self) -> bool:
        """Every choice so far has a finish reason: only usage and the end of the stream may follow."""
        ...

    @property
    def has_final_usage(self) -> bool:
        """Nothing was produced and no choice has finished since the usage was reported."""
        ...

    def set_target(self, model: str, secrets: tuple[str, ...]) -> None:
        """Set the upstream model, and the secrets of the target that are searched for in unusual events."""
        ...

    def feed(self, block: bytes) -> bytes:
        """Return the client's bytes for these upstream bytes. Raises MalformedStream."""
        ...

    def resume(self, event: ParsedEvent) -> bytes:
        """Return the client's bytes for the large event, and for the events after it."""
        ...

    def end(self) -> bytes:
        """The upstream closed; return the client's remaining bytes. `done` then states whether it was complete."""
        ...

    def produced(self) -> str:
        """The text produced so far, to count tokens without reported usage; only the beginning of a long text."""
        ...

    @property
    def produced_tokens(self) -> int:
        """Estimate of the tokens in the text that `produced` no longer holds."""
        ...


def least_tokens(stream: Stream) -> int:
    """Return a lower bound of a stream's tokens: on average no text has more bytes in a token than this."""
    return stream.produced_bytes // BYTES_IN_A_TOKEN + stream.sound_chars // SOUND_CHARS_IN_A_TOKEN


def has_complete_usage(stream: Stream) -> bool:
    """Whether the usage that a stream reported is final. Some servers report it with every event, or before the first
    one: it does not cover what follows, and without a later report that part is unknown.
    """
    return stream.usage is not None and stream.has_final_usage and stream.is_finished


def final_usage(stream: Stream) -> Usage | None:
    """Return the usage of a stream that its provider ended, also with an error; None where more may follow."""
    is_over = stream.failure is not None or has_complete_usage(stream)
    return None if not is_over or stream.usage is None or stream.usage.is_lacking else stream.usage


class Dialect(Protocol):
    """Translates one call. Made per call."""

    is_made_in_steps: bool = False  # its request is not simply what `request` returns (providers/upstream.py)

    def request(self, raw: bytes, target: Target, added: Added | None = None) -> bytes:
        """Return the body for this target; `added`: how the target takes what the gateway adds, where known."""
        ...

    def describe_additions(self, added: Added) -> str:
        """List what the gateway sets in the body, for the client; "" where it sets nothing."""
        ...

    def path(self, target: Target) -> str:
        """Return what the target's address is completed with (providers/registry.py), after `request` was called."""
        ...

    def headers(self, target: Target) -> dict[str, str]:
        """Return the headers of the request that the provider's API needs, after `request` was called."""
        ...

    @property
    def is_sse(self) -> bool:
        """Whether its streams are server-sent events."""
        ...

    @property
    def has_offload(self) -> bool:
        """Whether another process can read its large responses and events: those of OpenAI's API."""
        return False

    @property
    def has_output(self) -> bool:
        """Whether its responses have output tokens, and may be streamed."""
        ...

    def response(self, raw: bytes) -> Answered:
        """Raises MalformedAnswer; NeedsOffload where parsing in another process may succeed."""
        ...

    def stream(self) -> Stream: ...

    def begin_with_document(self, stream: Stream, raw: bytes) -> bytes | None:
        """Return the client's bytes for a whole response that came in place of a stream; None: it becomes an event
        (providers/dialects/one_piece.py).
        """
        ...

    def document(self) -> Document:
        """Return a collector for a response in the form that was not requested."""
        ...

    def folded(self, events: bytes) -> bytes:
        """Fold the events that our stream produced into one response. Raises MalformedAnswer."""
        ...


class NeedsOffload(MalformedAnswer):
    """It may be a valid response, but deciding that takes longer than the serving process may spend."""
