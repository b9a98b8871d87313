"""One exchange with a provider: the request as it is sent, and the first content of a stream. Used by upstream.py."""

from __future__ import annotations

import asyncio
import contextlib
import enum
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from providers.additions import Added
from providers.dialects.base import (
    Dialect,
    MalformedAnswer,
    MalformedStream,
    Stream,
    has_said_all,
    last_word,
)
from providers.dialects.whole_answers import as_event
from providers.failures import ErrorWith200, UpstreamBroken, UpstreamFailed
from providers.no_room import NoRoom
from providers.outline import LARGE
from providers.registry import PROVIDERS
from providers.said import LONGEST
from providers.target import Target
from providers.transport import LEAVE_S, UpstreamRequest
from providers.usage_places import usage_in_error

if TYPE_CHECKING:
    from providers.upstream import Call, Outgoing

QUICK_BYTES: Final = 64 * 1024  # of an answer that is taken apart within a step of the loop
MAX_PRELUDE = 1024 * 1024  # lifecycle events held back until the first content
EVENT_STREAM: Final = "text/event-stream"
_FIELDS: Final = frozenset(
    {b"data", b"event", b"id", b"retry", b""}
)  # of an event stream; "" before a comment
_LONGEST_FIELD: Final = 8
_BOM: Final = b"\xef\xbb\xbf"
USER_AGENT = "open-model-gateway"


def request_for(dialect: Dialect, outgoing: Outgoing, target: Target, added: Added) -> UpstreamRequest:
    provider = PROVIDERS[target.provider]
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if outgoing.streams else "application/json",
        "user-agent": USER_AGENT,
        "x-client-request-id": outgoing.request_id,
    }
    if outgoing.trace_parent:
        headers["traceparent"] = outgoing.trace_parent
    provider.auth(target, headers)
    return UpstreamRequest(
        "POST",
        provider.url(target, outgoing.path),
        headers,
        dialect.request(outgoing.raw, target, added),
        target.is_guarded,
    )


async def first_content(call: Call, dialect: Dialect, blocks: AsyncIterator[bytes]) -> bytes:
    """Read until the stream shows content, so that everything before it may still fail over. Raises UpstreamFailed."""
    stream, response = call.stream, call.response
    assert stream is not None  # noqa: S101 - it was made
    is_declared = response.headers.get("content-type", "").partition(";")[0].strip().lower() == EVENT_STREAM
    kind, block = await _opening(blocks, is_declared=is_declared)
    if kind is Kind.WHOLE:
        return await _in_one_piece(stream, dialect, blocks, block)
    if kind is Kind.OTHER:
        raise UpstreamBroken(f"not an event stream: {response.headers.get('content-type', '')!r}")
    held = b""
    while block:
        held += stream.feed(block)
        if stream.large is not None:
            held += await looked_into(call)
        if stream.started or stream.done:
            response.begun()
            return (
                held  # also when an error follows in the same block: this content was produced and is billed
            )
        if stream.failure is not None:
            raise ErrorWith200(stream.failure)
        if len(held) > MAX_PRELUDE:
            raise UpstreamBroken("more than 1 MiB before the first content")
        block = await anext(blocks, b"")
    held += stream.end()
    if stream.failure is not None:
        raise ErrorWith200(stream.failure)
    if not stream.done:
        raise UpstreamBroken("the stream ended before its first content", kind="cut")
    return held


class Kind(enum.Enum):
    """What the body of an answer is, by its first bytes."""

    EVENTS = enum.auto()
    WHOLE = enum.auto()  # a JSON document
    OTHER = enum.auto()


def kind_of(head: bytes, *, is_declared: bool) -> Kind | None:
    """Tell what begins so; None: it is too short to tell. `is_declared`: it says that it is an event stream."""
    text = head.removeprefix(_BOM).lstrip()
    if not text or _BOM.startswith(head):
        return None
    if text[:1] in {b"{", b"["}:
        return Kind.WHOLE
    if is_declared:
        return Kind.EVENTS
    line = text[:_LONGEST_FIELD].splitlines(keepends=True)[0]
    name, colon, _ = line.partition(b":")
    if colon or line[-1:] in b"\r\n":
        return Kind.EVENTS if name.rstrip(b"\r\n") in _FIELDS else Kind.OTHER
    return None if any(field.startswith(name) for field in _FIELDS) else Kind.OTHER


async def _opening(blocks: AsyncIterator[bytes], *, is_declared: bool) -> tuple[Kind, bytes]:
    head, size = b"", 0
    async for block in blocks:
        head += block
        kind = kind_of(head, is_declared=is_declared)
        if kind is not None:
            return kind, head
        size += len(block)
        if size > MAX_PRELUDE:
            break
        head = head.removeprefix(_BOM).lstrip()  # blanks may come one by one
    return (Kind.EVENTS if is_declared else Kind.OTHER), head


async def _in_one_piece(stream: Stream, dialect: Dialect, blocks: AsyncIterator[bytes], head: bytes) -> bytes:
    """Read a document in the place of a stream: an answer becomes its only event. Raises MalformedAnswer."""
    raw = head
    async for block in blocks:
        raw += block
        if len(raw) > LARGE:
            raise UpstreamBroken(
                f"an answer in one piece of more than {LARGE} bytes, where a stream was asked for"
            )
    dialect.response(raw)  # whether it is one
    event = as_event(raw).replace(b"\r", b" ").replace(b"\n", b" ")
    return stream.feed(b"data: %b\n\ndata: [DONE]\n\n" % event)


async def looked_into(call: Call) -> bytes:
    """Return what goes to the client for large events of a stream, which another process looks into."""
    stream, out = call.stream, b""
    assert stream is not None  # noqa: S101 - it has large events
    assert call.event_aside is not None  # noqa: S101
    while stream.large is not None:
        out += stream.go_on(await call.event_aside(stream.large))
    return out


async def late_usage(stream: Stream, blocks: AsyncIterator[bytes]) -> None:
    """Wait a moment for a usage that comes behind `[DONE]`, as some servers send it."""
    with contextlib.suppress(TimeoutError, UpstreamFailed, MalformedStream):
        async with asyncio.timeout(LEAVE_S):
            async for block in blocks:
                stream.feed(block)
                if has_said_all(stream):
                    break


def unfinished(stream: Stream) -> UpstreamFailed | None:
    """Return how a stream failed that has ended; None: it did not."""
    if stream.failure is not None:
        return ErrorWith200(stream.failure)
    return None if stream.done else UpstreamBroken("the stream ended before it was complete", kind="cut")


def broken_by(error: MalformedStream) -> UpstreamFailed:
    """Return the failure that a stream ends with; nobody is blamed where the gateway has no memory."""
    return NoRoom(str(error)) if error.is_ours else UpstreamBroken(f"malformed stream: {error}")


def what_ended(error: BaseException, call: Call, raw: bytes) -> BaseException:
    """Return what ended an answer before it was one, with the usage that it reported. `raw`: came in one piece."""
    said = last_word(call.stream) if call.stream is not None else None
    if isinstance(error, MalformedAnswer | MalformedStream):
        said = said or error.usage
        if isinstance(error, MalformedStream) and error.is_ours:
            error = broken_by(error)
        elif error.body is not None:
            error = ErrorWith200(error.body)
        else:
            error = UpstreamBroken(str(error), body=raw[:LONGEST])
    elif isinstance(error, RecursionError):
        error = UpstreamBroken("an answer that is nested too deeply", body=raw[:LONGEST])
    if isinstance(error, UpstreamFailed):
        error.usage = said or usage_in_error(error.body)
    return error


async def read_answer(call: Call, dialect: Dialect, outgoing: Outgoing, raw: bytes) -> None:
    """Take a whole answer apart. Raises MalformedAnswer.

    What may take long, or is no use, is told to `heard` first. What is neither is left in `call.unnoted`: whoever
    ends the call in this turn of the loop need not note that the answer came, all others must.
    """
    if len(raw) <= QUICK_BYTES:
        try:
            call.answered = dialect.response(raw)
        except BaseException:  # whatever it was, the answer came and may be billed; it is raised again
            outgoing.heard(call.target, raw)
            raise
        call.unnoted = raw
        return
    outgoing.heard(call.target, raw)
    if len(raw) > LARGE and outgoing.aside is not None:
        call.answered = await outgoing.aside(raw)
    else:
        call.answered = dialect.response(raw)
