"""One exchange with a provider: the request, the first content of a stream, a whole response. Used by upstream.py."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final, Protocol

from providers.dialects.base import (
    Answered,
    Dialect,
    NeedsOffload,
    Stream,
    final_usage,
    has_complete_usage,
)
from providers.dialects.body_kind import EVENT_STREAM, MAX_PRELUDE
from providers.dialects.offload import Offload
from providers.errors.exceptions import ErrorWith200, UpstreamBroken, UpstreamFailed
from providers.errors.messages import LONGEST
from providers.errors.out_of_memory import OutOfMemory
from providers.framing.malformed import MalformedStream
from providers.json_scan.limits import MalformedAnswer
from providers.json_scan.outline import LARGE
from providers.outgoing import Outgoing, ResponseKind
from providers.registry import PROVIDERS
from providers.reported_usage.places import usage_in_error
from providers.request_additions import Added
from providers.target import Target
from providers.transport.client import DRAIN_S, UpstreamRequest, UpstreamResponse

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
    offload: Offload | None
    answered: Answered | None
    unrecorded: bytes


def request_for(dialect: Dialect, outgoing: Outgoing, target: Target, added: Added) -> UpstreamRequest:
    """Return the request of one attempt. Raises Unsupported."""
    return request_with(dialect.request(outgoing.raw, target, added), dialect, outgoing, target)


def request_with(body: bytes, dialect: Dialect, outgoing: Outgoing, target: Target) -> UpstreamRequest:
    """Return a request with this body."""
    headers = {
        "content-type": "application/json",
        "accept": _ACCEPT[outgoing.answer],
        "user-agent": USER_AGENT,
        "x-client-request-id": outgoing.request_id,
        **dialect.headers(target),
    }
    if outgoing.trace_parent:
        headers["traceparent"] = outgoing.trace_parent
    url = PROVIDERS[target.provider].url(target, dialect.path(target))
    return UpstreamRequest("POST", url, headers, body, target.is_guarded)


def stream_for(call: Receiving, dialect: Dialect, outgoing: Outgoing) -> Stream:
    """Create the stream that reads the response."""
    stream = call.stream = dialect.stream()
    stream.set_target(call.target.upstream_model, call.target.secrets())
    call.offload = outgoing.offload if dialect.has_offload else None
    stream.has_offload = call.offload is not None
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
            held += await read_large_events(call)
        if stream.started or stream.done:
            call.response.note_content()
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


async def read_large_events(call: Receiving) -> bytes:
    """Return the client's bytes for large events of a stream, which another process reads."""
    stream, out = call.stream, b""
    assert stream is not None  # noqa: S101 - it has large events
    assert call.offload is not None  # noqa: S101
    while stream.large is not None:
        out += stream.resume(await call.offload.event(stream.large))
    return out


async def wait_for_late_usage(stream: Stream, blocks: AsyncIterator[bytes]) -> None:
    """Wait a moment for a usage after `[DONE]`, as some servers send it."""
    with contextlib.suppress(TimeoutError, UpstreamFailed, MalformedStream):
        async with asyncio.timeout(DRAIN_S):
            async for block in blocks:
                stream.feed(block)
                if has_complete_usage(stream):
                    break


def failure_if_incomplete(stream: Stream) -> UpstreamFailed | None:
    """Return the failure of a stream that has ended; None: it did not fail."""
    if stream.failure is not None:
        return ErrorWith200(stream.failure)
    return None if stream.done else UpstreamBroken("the stream ended before it was complete", kind="cut")


def failure_for_malformed(error: MalformedStream) -> UpstreamFailed:
    """Return the failure that a stream ends with; no fault is counted if the gateway has no memory."""
    return OutOfMemory(str(error)) if error.is_ours else UpstreamBroken(f"malformed stream: {error}")


def failure_for(error: BaseException, call: Receiving, raw: bytes) -> BaseException:
    """Return the failure of an incomplete response, with its reported usage. `raw`: a body in one piece."""
    reported = final_usage(call.stream) if call.stream is not None else None
    if isinstance(error, MalformedAnswer | MalformedStream):
        reported = reported or error.usage
        if isinstance(error, MalformedStream) and error.is_ours:
            error = failure_for_malformed(error)
        elif error.body is not None:
            error = ErrorWith200(error.body)
        else:
            quoted = error.quoted if isinstance(error, MalformedAnswer) else b""
            error = UpstreamBroken(str(error), body=quoted or raw[:LONGEST])
    elif isinstance(error, RecursionError):
        error = UpstreamBroken("an answer that is nested too deeply", body=raw[:LONGEST])
    if isinstance(error, UpstreamFailed):
        error.usage = reported or usage_in_error(error.body)
        error.partial_usage = call.stream.usage if call.stream is not None else None
    return error


async def read_answer(call: Receiving, dialect: Dialect, outgoing: Outgoing, raw: bytes) -> None:
    """Parse a whole response. Raises MalformedAnswer.

    A response that may take long, or is unusable, is passed to `on_response` first. Any other is left in
    `call.unrecorded`: code that ends the call in this step of the loop need not record it, all other code must.
    """
    offload = outgoing.offload if dialect.has_offload else None
    if len(raw) <= QUICK_BYTES:
        try:
            call.answered = dialect.response(raw)
        except BaseException as fault:  # the response arrived and may be billed; the error is raised again
            outgoing.on_response(call.target, raw)
            if offload is None or not isinstance(fault, NeedsOffload):
                raise
        else:
            call.unrecorded = raw
            return
    else:
        outgoing.on_response(call.target, raw)
        if len(raw) <= LARGE or offload is None:
            with contextlib.suppress(NeedsOffload) if offload is not None else contextlib.nullcontext():
                call.answered = dialect.response(raw)
                return
    call.answered = await offload.answer(raw)
