"""Tries the targets of a call's plan and returns the first that answers. Fails over only before the first content.

Cost: one upstream exchange. Nothing here waits without a timeout; whatever it leaves, it closes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, cast

import msgspec

from providers.dialects.base import Answered, Dialect, MalformedStream, Stream, has_said_all
from providers.dialects.other_form import begun, read_otherwise, take_folded
from providers.errors.exceptions import (
    DeadlineExceeded,
    UpstreamFailed,
    UpstreamStatus,
    UpstreamTimeout,
    summarize,
)
from providers.errors.out_of_memory import NoRoom
from providers.errors.tracebacks import drop_frames
from providers.exchange import (
    MAX_ANSWER,
    broken_by,
    late_usage,
    looked_into,
    read_answer,
    request_for,
    unfinished,
    what_ended,
)
from providers.processes.offload import Aside
from providers.request_additions import MOST_TRIES, Added, Additions, without
from providers.resilience.attempt import Turn
from providers.resilience.attempt_log import Attempt, Notes
from providers.resilience.attempt_planner import Again, Journey, in_time, judge
from providers.resilience.health import Health
from providers.resilience.plan import Asker, Deadline, Plan, timeouts_within
from providers.target import Target
from providers.transport.client import Transport, UpstreamRequest, UpstreamResponse

__all__ = ["Attempt", "Call", "Outgoing", "open_call"]

MAX_ERROR = 256 * 1024


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent, the same for every target."""

    request_id: str
    path: str
    raw: bytes
    streams: bool
    trace_parent: str = ""
    has_cap: bool = False  # the gateway sends a cap, so a provider that refuses its name is asked once more
    asks_usage: bool = False  # it adds `stream_options`, where the deployment takes them
    asker: Asker = msgspec.field(default_factory=Asker)
    heard: Callable[[Target, bytes], object] = lambda *_: None  # of a whole answer: exchange.read_answer
    aside: Aside | None = None  # reads what takes long
    again: Again | None = None  # holds money for one more try, which may be billed too


class Call:
    """An upstream that answers. For a stream `first` is what is ready for the client and `blocks` the rest."""

    __slots__ = (
        "answered",
        "aside",
        "attempts",
        "blocks",
        "deadline",
        "first",
        "notes",
        "response",
        "set_by_gateway",
        "stream",
        "target",
        "turn",
        "unnoted",
    )

    def __init__(self, target: Target, response: UpstreamResponse, attempts: list[Attempt]) -> None:
        self.target, self.response, self.attempts = target, response, attempts
        self.answered: Answered | None = None
        self.stream: Stream | None = None
        self.blocks: AsyncIterator[bytes] | None = None
        self.aside: Aside | None = None
        self.first = self.unnoted = b""  # `unnoted`: a small answer that `heard` was not told of
        self.turn: Turn | None = None
        self.deadline: Deadline | None = None
        self.notes: Notes | None = None
        self.set_by_gateway = ""  # of the body: what the client did not state so

    async def rest(self) -> AsyncIterator[bytes]:
        """The client's bytes of the rest of the stream. Raises UpstreamFailed; then what came before stands."""
        stream, blocks = self.stream, self.blocks
        assert stream is not None  # noqa: S101 - only streams have a rest
        assert blocks is not None  # noqa: S101
        try:
            if not _is_over(stream):  # else the first block said it all
                async for block in blocks:
                    out = stream.feed(block)
                    if stream.large is not None:
                        out += await looked_into(self)
                    if out:
                        yield out
                    if _is_over(stream):
                        break
                else:
                    stream.end()
            if stream.done and not (stream.usage is not None and has_said_all(stream)):
                await late_usage(stream, blocks)
        except MalformedStream as error:
            raise self._broke(broken_by(error)) from error
        except UpstreamFailed as failure:
            raise self._broke(failure) from failure
        if not stream.is_full and (fault := unfinished(stream)) is not None:
            self._broke(fault)

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
        if self.turn is not None and not isinstance(failure, NoRoom):
            self.turn.failed(failure)
        if self.notes is not None:
            self.notes.broke(self.target, failure)
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
    journey = Journey(plan, health, outgoing.asker)
    notes = health.notes(attempts, outgoing.request_id)
    while (step := await journey.begin(outgoing.again, failures)) is not None:
        target, turn = step
        sending = _Sending(transport, dialect, outgoing, plan.deadline, notes)
        try:
            call = await sending.to(target, health.additions)
        except UpstreamFailed as raised:
            raised.came_from(target)
            failure = judge(raised, turn, plan.deadline)
            failure.came_from(target)
            notes.failed(target, failure, sending.started)
            failures.append(failure)
            drop_frames(failure)
            await _wait(journey.failed(target, failure), plan.deadline)
        except BaseException as error:  # however the try ended, its place at the deployment is given back
            turn.let_go()
            outcome = "cancelled" if isinstance(error, asyncio.CancelledError) else "internal_error"
            notes.ended(target, outcome, None, sending.started, reached=sending.was_sent)
            raise
        else:
            turn.answered()
            call.attempts, call.turn, call.deadline, call.notes = attempts, turn, plan.deadline, notes
            notes.ended(target, "ok", call.response.status, sending.started)
            if call.stream is None:
                turn.end()
            return call
    raise _unanswered(outgoing.asker, failures, plan, health)


def _unanswered(
    asker: Asker, failures: list[UpstreamFailed], plan: Plan, health: Health
) -> UpstreamFailed | asyncio.CancelledError:
    if asker.has_left:
        return asyncio.CancelledError()
    return summarize(failures) if failures else health.unavailable(plan.targets, asker.tenant_id)


class _Sending:
    """One target's turn: the request, and once more without an addition of ours that is refused by name."""

    __slots__ = ("_deadline", "_dialect", "_notes", "_outgoing", "_request", "_transport", "started")

    def __init__(
        self,
        transport: Transport,
        dialect: Dialect,
        outgoing: Outgoing,
        deadline: Deadline | None,
        notes: Notes,
    ) -> None:
        self._transport, self._dialect, self._outgoing = transport, dialect, outgoing
        self._deadline, self._request = deadline, cast("UpstreamRequest | None", None)
        self._notes = notes
        self.started = time.perf_counter()

    @property
    def was_sent(self) -> bool:
        return self._request is not None and self._request.was_sent

    async def to(self, target: Target, additions: Additions) -> Call:
        """Raises UpstreamFailed."""
        who = self._outgoing.asker.tenant_id
        added = additions.of(target, who)
        tried: tuple[Added, ...] = ()
        while True:
            try:
                call = await self._with(target, added)
            except UpstreamStatus as refusal:
                tried = (*tried, added)
                other = self._instead(added, refusal)
                if other is None or other in tried or len(tried) >= MOST_TRIES:
                    raise
                refusal.came_from(target)
                refusal.kind = "addition_refused"
                self._notes.failed(target, refusal, self.started)
                self.started, added = time.perf_counter(), other
            else:
                if tried:
                    additions.learn(target, added, who)
                call.set_by_gateway = self._dialect.told(added)
                return call

    def _instead(self, added: Added, refusal: UpstreamStatus) -> Added | None:
        outgoing = self._outgoing
        if outgoing.asker.has_left:
            return None
        return without(added, refusal, has_cap=outgoing.has_cap, asks_usage=outgoing.asks_usage)

    def _with(self, target: Target, added: Added) -> Coroutine[Any, Any, Call]:
        request = self._request = request_for(self._dialect, self._outgoing, target, added)
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
    call, raw = Call(target, response, []), b""
    try:
        if response.status >= 300:  # noqa: PLR2004 - HTTP's success range; redirects are never followed
            raise UpstreamStatus.of(
                response.status, response.headers, await response.read(MAX_ERROR, truncate=True)
            )
        if outgoing.streams:
            call.blocks = response.chunks()
            call.first = await begun(call, dialect, outgoing, call.blocks)
        else:
            raw = await response.read(MAX_ANSWER, object_only=True)
            if raw and raw[:1] != b"{":
                raw = await read_otherwise(call, dialect, outgoing, raw)
            if call.stream is None:
                await read_answer(call, dialect, outgoing, raw)
            else:
                take_folded(call, outgoing, raw)
    except BaseException as error:  # however it ended, the connection is not kept half read
        await response.aclose()
        told = what_ended(error, call, raw)
        if told is error:
            raise
        raise told from error
    return call


def _is_over(stream: Stream) -> bool:
    return stream.done or stream.failure is not None
