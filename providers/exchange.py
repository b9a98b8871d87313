"""One exchange with a provider: the request, the first content of a stream, a whole response. Used by upstream.py."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final, Protocol

from providers.dialects.base import (
    Answered,
    Dialect,
    Laborious,
    MalformedStream,
    Stream,
    has_said_all,
    last_word,
)
from providers.dialects.body_kind import EVENT_STREAM, MAX_PRELUDE
from providers.dialects.offload import Aside
from providers.dialects.openai.usage_places import usage_in_error
from providers.errors.exceptions import ErrorWith200, UpstreamBroken, UpstreamFailed
from providers.errors.messages import LONGEST
from providers.errors.out_of_memory import NoRoom
from providers.json_scan.limits import MalformedAnswer
from providers.json_scan.outline import LARGE
from providers.outgoing import Outgoing, ResponseKind
from providers.registry import PROVIDERS
from providers.request_additions import Added
from providers.target import Target
from providers.transport.client import LEAVE_S, UpstreamRequest, UpstreamResponse

QUICK_BYTES: Final = 64 * 1024  # of a response that is parsed within one step of the loop
MAX_ANSWER: Final = 64 * 1024 * 1024
USER_AGENT = "open-model-gateway"
_ACCEPT: Final = {
    ResponseKind.JSON: "application/json",
    ResponseKind.EVENTS: EVENT_STREAM,
    ResponseKind.BINARY: "*/*",
}


class Receiving(Protocol):
    """The parts of a call that are read and written here (providers/call.py)."""

    target: Target
    response: UpstreamResponse
    stream: Stream | None
    aside: Aside | None
    answered: Answered | None
    unnoted: bytes


def request_for(dialect: Dialect, outgoing: Outgoing, target: Target, added: Added) -> UpstreamRequest:
    provider = PROVIDERS[target.provider]
    headers = {
        "content-type": "application/json",
        "accept": _ACCEPT[outgoing.answer],
        "user-agent": USER_AGENT,
        "x-client-request-id": outgoing.request_id,
    }
    if outgoing.trace_parent:
        headers["traceparent"] = outgoing.trace_parent
    return UpstreamRequest(
        "POST",
        provider.url(target, outgoing.path),
        headers,
        dialect.request(outgoing.raw, target, added),
        target.is_guarded,
    )


def stream_for(call: Receiving, dialect: Dialect, outgoing: Outgoing) -> Stream:
    """Create the stream that reads the response."""
    stream = call.stream = dialect.stream()
    stream.is_for(call.target.upstream_model, call.target.secrets())
    call.aside, stream.reads_aside = outgoing.aside, outgoing.aside is not None
    return stream


async def first_content(call: Receiving, blocks: AsyncIterator[bytes], block: bytes) -> bytes:
    """Read from the first block until the stream has content, so that a failure before it may still fail over.

    Raises UpstreamFailed, MalformedStream.
    """
    stream = call.stream
    assert stream is not None  # noqa: S101 - it was made
    held = b""
    while block:
        held += stream.feed(block)
        if stream.large is not None:
            held += await looked_into(call)
        if stream.started or stream.done:
            call.response.begun()
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


async def looked_into(call: Receiving) -> bytes:
    """Return the client's bytes for large events of a stream, which another process reads."""
    stream, out = call.stream, b""
    assert stream is not None  # noqa: S101 - it has large events
    assert call.aside is not None  # noqa: S101
    while stream.large is not None:
        out += stream.go_on(await call.aside.event(stream.large))
    return out


async def late_usage(stream: Stream, blocks: AsyncIterator[bytes]) -> None:
    """Wait a moment for a usage after `[DONE]`, as some servers send it."""
    with contextlib.suppress(TimeoutError, UpstreamFailed, MalformedStream):
        async with asyncio.timeout(LEAVE_S):
            async for block in blocks:
                stream.feed(block)
                if has_said_all(stream):
                    break


def unfinished(stream: Stream) -> UpstreamFailed | None:
    """Return the failure of a stream that has ended; None: it did not fail."""
    if stream.failure is not None:
        return ErrorWith200(stream.failure)
    return None if stream.done else UpstreamBroken("the stream ended before it was complete", kind="cut")


def broken_by(error: MalformedStream) -> UpstreamFailed:
    """Return the failure that a stream ends with; no fault is counted if the gateway has no memory."""
    return NoRoom(str(error)) if error.is_ours else UpstreamBroken(f"malformed stream: {error}")


def what_ended(error: BaseException, call: Receiving, raw: bytes) -> BaseException:
    """Return the failure of an incomplete response, with its reported usage. `raw`: a body in one piece."""
    said = last_word(call.stream) if call.stream is not None else None
    if isinstance(error, MalformedAnswer | MalformedStream):
        said = said or error.usage
        if isinstance(error, MalformedStream) and error.is_ours:
            error = broken_by(error)
        elif error.body is not None:
            error = ErrorWith200(error.body)
        else:
            quoted = error.quoted if isinstance(error, MalformedAnswer) else b""
            error = UpstreamBroken(str(error), body=quoted or raw[:LONGEST])
    elif isinstance(error, RecursionError):
        error = UpstreamBroken("an answer that is nested too deeply", body=raw[:LONGEST])
    if isinstance(error, UpstreamFailed):
        error.usage = said or usage_in_error(error.body)
        error.so_far = call.stream.usage if call.stream is not None else None
    return error


async def read_answer(call: Receiving, dialect: Dialect, outgoing: Outgoing, raw: bytes) -> None:
    """Parse a whole response. Raises MalformedAnswer.

    A response that may take long, or is unusable, is passed to `heard` first. Any other is left in `call.unnoted`: code
    that ends the call in this step of the loop need not note that the response arrived, all other code must.
    """
    aside = outgoing.aside
    if len(raw) <= QUICK_BYTES:
        try:
            call.answered = dialect.response(raw)
        except BaseException as fault:  # the response arrived and may be billed; the error is raised again
            outgoing.heard(call.target, raw)
            if aside is None or not isinstance(fault, Laborious):
                raise
        else:
            call.unnoted = raw
            return
    else:
        outgoing.heard(call.target, raw)
        if len(raw) <= LARGE or aside is None:
            with contextlib.suppress(Laborious) if aside is not None else contextlib.nullcontext():
                call.answered = dialect.response(raw)
                return
    call.answered = await aside.answer(raw)
