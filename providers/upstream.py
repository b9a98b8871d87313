"""Tries the targets of a call's plan and returns the first that answers. Fails over only before the first content.

Cost: one upstream exchange. Nothing here waits without a timeout; whatever it leaves, it closes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, cast

import msgspec

from providers.cap_words import CapWords
from providers.dialects.base import Answered, Dialect, MalformedAnswer, MalformedStream, Stream, last_word
from providers.exchange import first_content, read_answer, request_for
from providers.failures import (
    DeadlineExceeded,
    UpstreamBroken,
    UpstreamFailed,
    UpstreamStatus,
    UpstreamTimeout,
    summarize,
)
from providers.health import Health, Turn
from providers.journey import Again, Journey, in_time, judge
from providers.plan import Asker, Deadline, Plan, timeouts_within
from providers.target import Target
from providers.transport import Transport, UpstreamRequest, UpstreamResponse
from providers.usage import Usage
from providers.usage_openai import usage_in_error

MAX_ANSWER = 64 * 1024 * 1024
MAX_ERROR = 256 * 1024


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """One try at one deployment, as the decision trace keeps it, which leaves out the alias that was asked for."""

    provider: str
    deployment: str
    outcome: str  # ok | an error code
    status: int | None
    ms: float
    alias: str = ""
    reached: bool = True  # the provider may have seen it
    usage: Usage | None = None  # reported, or an estimate; of a call's only try the row has it
    cost_nanousd: int = 0


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent, the same for every target."""

    request_id: str
    path: str
    raw: bytes
    streams: bool
    trace_parent: str = ""
    has_cap: bool = False  # the gateway sends a cap, so a provider that refuses its name is asked once more
    asker: Asker = msgspec.field(default_factory=Asker)
    heard: Callable[[Target, bytes], object] = lambda *_: None  # of a whole answer: exchange.read_answer
    aside: Callable[[bytes], Awaitable[Answered]] | None = None  # reads a large answer as the dialect does
    again: Again | None = None  # holds money for one more try, which may be billed too


class Call:
    """An upstream that answers. For a stream `first` is what is ready for the client and `blocks` the rest."""

    __slots__ = (
        "answered",
        "attempts",
        "blocks",
        "deadline",
        "first",
        "response",
        "stream",
        "target",
        "turn",
        "unnoted",
        "upstream_s",
    )

    def __init__(self, target: Target, response: UpstreamResponse, attempts: list[Attempt]) -> None:
        self.target, self.response, self.attempts = target, response, attempts
        self.answered: Answered | None = None
        self.stream: Stream | None = None
        self.blocks: AsyncIterator[bytes] | None = None
        self.first = self.unnoted = b""  # `unnoted`: a small answer that `heard` was not told of
        self.upstream_s = 0.0  # spent waiting for upstreams, failed ones included
        self.turn: Turn | None = None
        self.deadline: Deadline | None = None

    async def rest(self) -> AsyncIterator[bytes]:
        """The client's bytes of the rest of the stream. Raises UpstreamFailed; then what came before stands."""
        stream, blocks = self.stream, self.blocks
        assert stream is not None  # noqa: S101 - only streams have a rest
        assert blocks is not None  # noqa: S101
        try:
            if not _is_over(stream):  # else the first block said it all
                async for block in blocks:
                    out = stream.feed(block)
                    if out:
                        yield out
                    if _is_over(stream):
                        break
                else:
                    stream.end()
        except MalformedStream as error:
            raise self._broke(UpstreamBroken(f"malformed stream: {error}")) from error
        except UpstreamFailed as failure:
            raise self._broke(failure) from failure
        if not stream.done or stream.failure is not None:
            self._broke(UpstreamBroken("the stream broke after its first content"))

    async def aclose(self) -> None:
        """Close the upstream's connection; a stream that said all it had to say may keep it."""
        if self.turn is not None:
            self.turn.end()
        if self.stream is not None and self.stream.done:
            self.response.leave()
        await self.response.aclose()

    def _broke(self, failure: UpstreamFailed) -> UpstreamFailed:
        """Count a stream that broke after its first content; a stream that is only too long is nobody's fault."""
        if isinstance(failure, UpstreamTimeout) and failure.phase == "total":
            return in_time(failure, self.deadline)
        failure.came_from(self.target)
        if self.turn is not None:
            self.turn.failed(failure)
        return failure


async def open_call(
    transport: Transport,
    dialect: Dialect,
    outgoing: Outgoing,
    plan: Plan,
    attempts: list[Attempt],
    health: Health,
) -> Call:
    """Return the first answer, noting every try. Raises UpstreamFailed; CancelledError once the asker has left."""
    failures: list[UpstreamFailed] = []
    journey = Journey(plan, health)
    spent = 0.0
    while (step := await journey.begin(outgoing.asker, outgoing.again, failures)) is not None:
        target, turn = step
        sending = _Sending(transport, dialect, outgoing, plan.deadline)
        try:
            call = await sending.to(target, health.cap_words, attempts)
        except UpstreamFailed as raised:
            raised.came_from(target)
            failure = judge(raised, turn, plan.deadline)
            failure.came_from(target)
            spent += _note_failure(attempts, target, failure, sending.started)
            failures.append(failure)
            await _wait(journey.failed(target, failure), plan.deadline)
        except BaseException as error:  # however the try ended, its place at the deployment is given back
            turn.let_go()
            outcome = "cancelled" if isinstance(error, asyncio.CancelledError) else "internal_error"
            _note(attempts, target, outcome, None, sending.started, reached=sending.was_sent)
            raise
        else:
            turn.answered()
            call.attempts, call.turn, call.deadline = attempts, turn, plan.deadline
            call.upstream_s = spent + _note(attempts, target, "ok", call.response.status, sending.started)
            if call.stream is None:
                turn.end()
            return call
    raise _unanswered(outgoing.asker, failures, plan, health)


def _unanswered(
    asker: Asker, failures: list[UpstreamFailed], plan: Plan, health: Health
) -> UpstreamFailed | asyncio.CancelledError:
    if asker.has_left:
        return asyncio.CancelledError()
    return summarize(failures) if failures else health.unavailable(plan.targets)


class _Sending:
    """One target's turn: the request, and once more under the other word for the cap if its name is refused."""

    __slots__ = ("_deadline", "_dialect", "_outgoing", "_request", "_transport", "started")

    def __init__(
        self, transport: Transport, dialect: Dialect, outgoing: Outgoing, deadline: Deadline | None
    ) -> None:
        self._transport, self._dialect, self._outgoing = transport, dialect, outgoing
        self._deadline, self._request = deadline, cast("UpstreamRequest | None", None)
        self.started = time.perf_counter()

    @property
    def was_sent(self) -> bool:
        return self._request is not None and self._request.was_sent

    async def to(self, target: Target, words: CapWords, attempts: list[Attempt]) -> Call:
        """Raises UpstreamFailed."""
        try:
            return await self._under(target, words.word(target))
        except UpstreamStatus as refusal:
            other = words.other(target, refusal) if self._outgoing.has_cap else None
            if other is None or self._outgoing.asker.has_left:
                raise
            _note_failure(attempts, target, refusal, self.started)
        self.started = time.perf_counter()
        call = await self._under(target, other)
        words.learn(target, other)
        return call

    def _under(self, target: Target, word: str) -> Coroutine[Any, Any, Call]:
        request = self._request = request_for(self._dialect, self._outgoing, target, word)
        self._outgoing.asker.latest = request
        return _try(self._transport, self._dialect, self._outgoing, target, request, self._deadline)


async def _wait(seconds: float, deadline: Deadline | None) -> None:
    if not seconds:
        return
    if deadline is not None:
        seconds = min(seconds, max(0.0, deadline.at - time.perf_counter()))
    await asyncio.sleep(seconds)


async def _try(
    transport: Transport,
    dialect: Dialect,
    outgoing: Outgoing,
    target: Target,
    request: UpstreamRequest,
    deadline: Deadline | None,
) -> Call:
    now = time.perf_counter()
    if deadline is not None and now >= deadline.at:
        raise DeadlineExceeded(deadline.seconds, reached=False)
    timeouts = timeouts_within(target.timeouts, deadline, now, streams=outgoing.streams)
    response = await transport.send(request, timeouts)
    call = Call(target, response, [])
    try:
        if response.status >= 300:  # noqa: PLR2004 - HTTP's success range; redirects are never followed
            raise UpstreamStatus.of(
                response.status, response.headers, await response.read(MAX_ERROR, truncate=True)
            )
        if outgoing.streams:
            call.stream = outgoing.asker.stream = dialect.stream()
            call.stream.secrets = target.secrets()
            call.blocks = response.chunks()
            call.first = await first_content(response, call.blocks, call.stream)
        else:
            await read_answer(call, dialect, outgoing, await response.read(MAX_ANSWER))
    except BaseException as error:  # however it ended, the connection is not kept half read
        await response.aclose()
        told = _told(error, call)
        if told is error:
            raise
        raise told from error
    return call


def _told(error: BaseException, call: Call) -> BaseException:
    """Return what ended an answer before it was one, with the usage that it reported all the same."""
    said = last_word(call.stream) if call.stream is not None else None
    if isinstance(error, MalformedAnswer | MalformedStream):
        said = said or error.usage
        error = UpstreamBroken(str(error))
    if isinstance(error, UpstreamFailed):
        error.usage = said or usage_in_error(error.body)
    return error


def _is_over(stream: Stream) -> bool:
    return stream.done or stream.failure is not None


def _note_failure(attempts: list[Attempt], target: Target, failure: UpstreamFailed, started: float) -> float:
    return _note(
        attempts, target, failure.code, failure.status, started, reached=failure.reached, usage=failure.usage
    )


def _note(  # noqa: PLR0913 - an attempt's members
    attempts: list[Attempt],
    target: Target,
    outcome: str,
    status: int | None,
    started: float,
    *,
    reached: bool = True,
    usage: Usage | None = None,
) -> float:
    seconds = time.perf_counter() - started
    ms = round(seconds * 1000, 3)
    attempts.append(Attempt(target.provider, target.name, outcome, status, ms, target.alias, reached, usage))
    return seconds
