"""Tries the targets of a call in order and returns the first that answers. Fails over only before the first content.

Cost: one upstream exchange. Nothing here waits without a timeout; whatever it leaves, it closes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import msgspec

from providers.dialects.base import Answered, Dialect, MalformedAnswer, MalformedStream, Stream
from providers.failures import UpstreamBroken, UpstreamFailed, UpstreamStatus, summarize
from providers.registry import PROVIDERS
from providers.target import Target, Timeouts
from providers.transport import Transport, UpstreamRequest, UpstreamResponse

MAX_ANSWER = 64 * 1024 * 1024
MAX_ERROR = 256 * 1024
MAX_PRELUDE = 1024 * 1024  # lifecycle events held back until the first content
USER_AGENT = "open-model-gateway"


class Attempt(msgspec.Struct, frozen=True):
    """One try at one deployment, as the decision trace keeps it."""

    provider: str
    deployment: str
    outcome: str  # ok | an error code
    status: int | None
    ms: float


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent, the same for every target."""

    request_id: str
    path: str
    raw: bytes
    streams: bool
    trace_parent: str = ""


class Call:
    """An upstream that answers. For a stream `first` is what is ready for the client and `blocks` the rest."""

    __slots__ = ("answered", "attempts", "blocks", "first", "response", "stream", "target", "upstream_s")

    def __init__(self, target: Target, response: UpstreamResponse, attempts: list[Attempt]) -> None:
        self.target, self.response, self.attempts = target, response, attempts
        self.answered: Answered | None = None
        self.stream: Stream | None = None
        self.blocks: AsyncIterator[bytes] | None = None
        self.first = b""
        self.upstream_s = 0.0  # spent waiting for upstreams, failed ones included

    async def rest(self) -> AsyncIterator[bytes]:
        """The client's bytes of the rest of the stream. Raises UpstreamFailed; then what came before stands."""
        stream, blocks = self.stream, self.blocks
        assert stream is not None  # noqa: S101 - only streams have a rest
        assert blocks is not None  # noqa: S101
        if _is_over(stream):
            return  # the first block said it all
        try:
            async for block in blocks:
                out = stream.feed(block)
                if out:
                    yield out
                if _is_over(stream):
                    return
            stream.end()
        except MalformedStream as error:
            raise UpstreamBroken(f"malformed stream: {error}") from error

    async def aclose(self) -> None:
        """Close the upstream's connection; a stream that said all it had to say may keep it."""
        if self.stream is not None and self.stream.done:
            self.response.leave()
        await self.response.aclose()


async def open_call(
    transport: Transport,
    dialect: Dialect,
    outgoing: Outgoing,
    targets: Sequence[Target],
    attempts: list[Attempt],
) -> Call:
    """Return the first target's answer, noting every try in `attempts`. Raises UpstreamFailed."""
    failures: list[UpstreamFailed] = []
    spent = 0.0
    for target in targets:
        started = time.perf_counter()
        try:
            call = await _try(transport, dialect, outgoing, target, attempts)
        except UpstreamFailed as failure:
            spent += _note(attempts, target, failure.code, failure.status, started)
            failure.provider, failure.deployment = target.provider, target.name
            failures.append(failure)
            if not failure.retryable:
                break
        except asyncio.CancelledError:
            _note(attempts, target, "cancelled", None, started)
            raise
        else:
            call.upstream_s = spent + _note(attempts, target, "ok", call.response.status, started)
            return call
    raise summarize(failures)


async def _try(
    transport: Transport, dialect: Dialect, outgoing: Outgoing, target: Target, attempts: list[Attempt]
) -> Call:
    response = await transport.send(_request(dialect, outgoing, target), _timeouts(target, outgoing))
    try:
        if response.status >= 300:  # noqa: PLR2004 - HTTP's success range; redirects are never followed
            raise UpstreamStatus.of(
                response.status, response.headers, await response.read(MAX_ERROR, truncate=True)
            )
        call = Call(target, response, attempts)
        if outgoing.streams:
            call.stream = dialect.stream()
            call.blocks = response.chunks()
            call.first = await _first_content(response, call.blocks, call.stream)
        else:
            call.answered = dialect.response(await response.read(MAX_ANSWER))
    except BaseException as error:
        await response.aclose()
        if isinstance(error, MalformedAnswer | MalformedStream):
            raise UpstreamBroken(str(error)) from error
        raise
    return call


def _timeouts(target: Target, outgoing: Outgoing) -> Timeouts:
    timeouts = target.timeouts
    return timeouts if outgoing.streams else msgspec.structs.replace(timeouts, first_byte=timeouts.answer)


def _request(dialect: Dialect, outgoing: Outgoing, target: Target) -> UpstreamRequest:
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
        "POST", provider.url(target, outgoing.path), headers, dialect.request(outgoing.raw, target)
    )


async def _first_content(response: UpstreamResponse, blocks: AsyncIterator[bytes], stream: Stream) -> bytes:
    """Read until the stream shows content, so that everything before it may still fail over."""
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        raise UpstreamBroken(f"not an event stream: {response.headers.get('content-type', '')!r}")
    held = b""
    async for block in blocks:
        held += stream.feed(block)
        if stream.started or stream.done:
            return (
                held  # also when an error follows in the same block: this content was produced and is billed
            )
        if stream.failure is not None:
            raise UpstreamBroken("the provider sent an error instead of content", body=stream.failure)
        if len(held) > MAX_PRELUDE:
            raise UpstreamBroken("more than 1 MiB before the first content")
    held += stream.end()
    if not stream.done:
        raise UpstreamBroken("the stream ended before its first content")
    return held


def _is_over(stream: Stream) -> bool:
    return stream.done or stream.failure is not None


def _note(attempts: list[Attempt], target: Target, outcome: str, status: int | None, started: float) -> float:
    seconds = time.perf_counter() - started
    attempts.append(Attempt(target.provider, target.name, outcome, status, round(seconds * 1000, 3)))
    return seconds
