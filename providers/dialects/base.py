"""What a dialect is: bytes in, bytes and usage out. One file per (client)_(upstream) pair; no I/O; made per call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from providers.dialects.openai.chunks import Chunk, LooseChoice
from providers.dialects.openai.usage import UsageJson
from providers.json_scan.limits import MalformedAnswer
from providers.request_additions import Added
from providers.requests.layout import Layout
from providers.target import Target
from providers.tenant_salt import Salt, member_at
from providers.usage import Usage

if TYPE_CHECKING:
    from providers.dialects.lenient.document import Document

BYTES_IN_A_TOKEN = 16  # ordinary text has 4, tables of blanks a few more
SOUND_CHARS_IN_A_TOKEN = 3_200  # base64 of 50 ms of 24 kHz PCM, the longest token of speech in the most bytes


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What the dialect must know of the client's request; filled in by the endpoint's peek."""

    alias: str
    path: str  # below /v1, for example "chat/completions"
    stream: bool = False
    include_usage: bool = False  # the client asked for the usage chunk
    choices: int = 1  # so many were asked for, and must come to their end
    output_cap: int | None = (
        None  # goes upstream as the only cap; None: nothing needs one, bytes pass as they came
    )
    stated_cap: int | None = None  # what the client wrote
    cap_names: tuple[str, ...] = ()  # under these names, which the one cap replaces
    exact: bool = True  # False: a key may be twice, so the body is put together again
    content_key: str = "choices"  # the member an answer must have to be believed
    names: tuple[str, ...] = ()  # members that name a cache or a person: they leave salted
    absent: tuple[
        str, ...
    ] = ()  # members that say nothing and that some servers refuse for it: they do not leave
    salt: Salt | None = None  # the tenant's; None: the operator's own call
    layout: Layout | None = None  # of a large body, which is never taken apart

    def cache_member(self, target: Target) -> str:
        """Return the member of a chat that parts the target's prompt cache by tenant; "": there is none."""
        is_chat = self.salt is not None and self.content_key == "choices"
        return member_at(target) if is_chat else ""


class Answered(msgspec.Struct, frozen=True):
    """A complete answer: the client's bytes, what it used (None: the provider did not say), and the text produced."""

    body: bytes
    usage: Usage | None
    produced: str = ""  # where the usage does not stand for it
    source: bytes | None = None  # what it was read from, where that is not what came

    @property
    def is_known(self) -> bool:
        """Whether nothing must be counted to know what it used."""
        return self.usage is not None and not self.produced


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """What is in a large event of a stream that was read in another process. `error` is the body of one."""

    malformed: str = ""
    error: bytes | None = None
    choices: list[LooseChoice] = []
    usage: UsageJson | None = None
    service_tier: Any = None
    layout: Layout | None = None

    def chunk(self) -> Chunk:
        return Chunk(choices=[*self.choices], usage=self.usage, service_tier=self.service_tier)


class Stream(Protocol):
    """Reads one upstream stream. State is public so that the relay, the meter and the marks see the same truth."""

    started: bool  # the first content event was seen
    done: bool  # the stream is complete: `[DONE]`, or every choice finished
    usage: Usage | None
    failure: bytes | None  # the body of an error that the provider sent inside the stream
    large: bytes | None  # an event to be read in another process before anything else is fed
    reads_aside: bool  # there is somebody who does that
    is_full: bool  # it failed because the gateway has no memory for an event
    produced_events: int
    produced_bytes: int  # of text, tool arguments and reasoning, in UTF-8
    sound_chars: int  # of sound, in base64

    @property
    def unfinished_bytes(self) -> int:
        """Bytes of an event that has begun and has not come to its end."""
        ...

    @property
    def is_finished(self) -> bool:
        """Every choice so far has said why it ended: only usage and the end of the stream may follow."""
        ...

    @property
    def has_final_usage(self) -> bool:
        """Nothing was produced and no choice has ended since the usage was told."""
        ...

    def is_for(self, model: str, secrets: tuple[str, ...]) -> None:
        """Say which upstream model it comes from, and which secrets of the target are looked for in odd events."""
        ...

    def feed(self, block: bytes) -> bytes:
        """Return what goes to the client for these upstream bytes. Raises MalformedStream."""
        ...

    def go_on(self, seen: Seen) -> bytes:
        """Return what goes to the client for the large event, and for those behind it."""
        ...

    def end(self) -> bytes:
        """The upstream closed; return what is still owed to the client. `done` then says whether it was complete."""
        ...

    def produced(self) -> str:
        """The text produced so far, for counting when the provider does not; of a long one only the beginning."""
        ...

    @property
    def produced_tokens(self) -> int:
        """About how many tokens the text has that is not in `produced` any more."""
        ...


def least_tokens(stream: Stream) -> int:
    """Return how many tokens a stream surely has: no text has more bytes in a token than this, on the whole."""
    return stream.produced_bytes // BYTES_IN_A_TOKEN + stream.sound_chars // SOUND_CHARS_IN_A_TOKEN


def has_said_all(stream: Stream) -> bool:
    """Tell whether the usage that a stream reported is its last word. Some servers report it with every event, or
    before the first one: what follows is not in it, and where nothing more is told of that, nobody knows it.
    """
    return stream.usage is not None and stream.has_final_usage and stream.is_finished


def last_word(stream: Stream) -> Usage | None:
    """Return the usage of a stream that its provider ended, also with an error; None where more may come."""
    is_over = stream.failure is not None or has_said_all(stream)
    return None if not is_over or stream.usage is None or stream.usage.is_lacking else stream.usage


class MalformedStream(Exception):
    """The upstream sent something that is not an event of this dialect. `body`: as an error's, for whoever judges it.

    `is_ours`: there is no memory for it.
    """

    usage: Usage | None = None

    def __init__(self, reason: str, body: bytes | None = None, *, is_ours: bool = False) -> None:
        super().__init__(reason)
        self.body, self.is_ours = body, is_ours


class Dialect(Protocol):
    """Translates one call. Made per call."""

    def request(self, raw: bytes, target: Target, added: Added | None = None) -> bytes:
        """Return the body for this target; `added`: how it takes what the gateway adds, where that is known."""
        ...

    def told(self, added: Added) -> str:
        """Name what the gateway sets in the body, for the client; "" where it sets nothing."""
        ...

    @property
    def writes(self) -> bool:
        """Whether its answers have tokens of output, and may come as a stream."""
        ...

    def response(self, raw: bytes) -> Answered:
        """Raises MalformedAnswer; Laborious where `aside` may tell more."""
        ...

    def stream(self) -> Stream: ...

    def document(self) -> Document:
        """Return what collects an answer in the other form than was asked for."""
        ...

    def folded(self, events: bytes) -> bytes:
        """Return the answer that the events make which a stream of ours gave. Raises MalformedAnswer."""
        ...


class Laborious(MalformedAnswer):
    """It may be an answer: written so that a reader who has no time cannot tell."""
