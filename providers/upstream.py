"""Tries the targets of a call's plan and returns the first response. Fails over only before the first content.

Cost: one upstream exchange. Every wait has a timeout; every abandoned connection is closed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, cast

from providers import auth
from providers.binary_answer import first_piece
from providers.call import Call
from providers.dialects.base import Dialect
from providers.dialects.choice import Dialects
from providers.errors.exceptions import (
    DeadlineExceeded,
    UpstreamFailed,
    UpstreamStatus,
    UpstreamTimeout,
    summarize,
)
from providers.errors.tracebacks import drop_frames
from providers.exchange import (
    MAX_ANSWER,
    read_answer,
    request_for,
    what_ended,
)
from providers.other_form import begun, read_otherwise, take_folded
from providers.outgoing import Outgoing, ResponseKind
from providers.registry import PROVIDERS
from providers.request_additions import MOST_TRIES, Added, Additions, without
from providers.resilience.attempt_log import Attempt, Notes
from providers.resilience.attempt_planner import AttemptPlanner, judge
from providers.resilience.health import DeploymentHealth
from providers.resilience.plan import Asker, Deadline, Plan, timeouts_within
from providers.target import Target
from providers.transport.client import Transport, UpstreamRequest

__all__ = ["Attempt", "Call", "Outgoing", "open_call"]

MAX_ERROR = 256 * 1024


async def open_call(
    transport: Transport,
    dialects: Dialects,
    outgoing: Outgoing,
    plan: Plan,
    attempts: list[Attempt],
    health: DeploymentHealth,
) -> Call:
    """Return the first response; records every attempt. Raises UpstreamFailed; CancelledError on client disconnect."""
    failures: list[UpstreamFailed] = []
    journey = AttemptPlanner(plan, health, outgoing.asker)
    notes = health.notes(attempts, outgoing.request_id)
    while (step := await journey.begin(outgoing.again, failures)) is not None:
        target, turn = step
        sending = _Sending(transport, dialects, outgoing, plan.deadline, notes)
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
        except BaseException as error:  # however the attempt ended, its bulkhead slot is released
            turn.release()
            outcome = "cancelled" if isinstance(error, asyncio.CancelledError) else "internal_error"
            notes.ended(target, outcome, None, sending.started, reached=sending.was_sent)
            raise
        else:
            turn.record_success()
            call.attempts, call.turn, call.deadline, call.notes = attempts, turn, plan.deadline, notes
            notes.ended(target, "ok", call.response.status, sending.started)
            if call.stream is None:
                turn.finish()
            return call
    raise _unanswered(outgoing.asker, failures, plan, health)


def _unanswered(
    asker: Asker, failures: list[UpstreamFailed], plan: Plan, health: DeploymentHealth
) -> UpstreamFailed | asyncio.CancelledError:
    if asker.has_left:
        return asyncio.CancelledError()
    return summarize(failures) if failures else health.unavailable(plan.targets, asker.tenant_id)


class _Sending:
    """One attempt at a target: the request, and once more without an addition of ours that is refused by name."""

    __slots__ = ("_deadline", "_dialects", "_notes", "_outgoing", "_request", "_transport", "started")

    def __init__(
        self,
        transport: Transport,
        dialects: Dialects,
        outgoing: Outgoing,
        deadline: Deadline | None,
        notes: Notes,
    ) -> None:
        self._transport, self._dialects, self._outgoing = transport, dialects, outgoing
        self._deadline, self._request = deadline, cast("UpstreamRequest | None", None)
        self._notes = notes
        self.started = time.perf_counter()

    @property
    def was_sent(self) -> bool:
        return self._request is not None and self._request.was_sent

    async def to(self, target: Target, additions: Additions) -> Call:
        """Send the request to the target. Raises UpstreamFailed."""
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
                call.set_by_gateway = self._dialects.of(target).told(added)
                return call

    def _instead(self, added: Added, refusal: UpstreamStatus) -> Added | None:
        outgoing = self._outgoing
        if outgoing.asker.has_left:
            return None
        return without(added, refusal, has_cap=outgoing.has_cap, asks_usage=outgoing.asks_usage)

    def _with(self, target: Target, added: Added) -> Coroutine[Any, Any, Call]:
        dialect = self._dialects.of(target)
        request = self._request = request_for(dialect, self._outgoing, target, added)
        self._outgoing.asker.latest = request
        return _try(self._transport, dialect, self._outgoing, target, request, self._deadline)


async def _wait(seconds: float, deadline: Deadline | None) -> None:
    if not seconds:
        return
    if deadline is not None:
        seconds = min(seconds, max(0.0, deadline.at - time.perf_counter()))
    await asyncio.sleep(seconds)


async def _sign(request: UpstreamRequest, target: Target) -> None:
    """Add the target's credential. Raises UpstreamTimeout, of a request that no provider has seen."""
    try:
        await auth.sign(PROVIDERS[target.provider].auth, request, target)
    except TimeoutError:
        raise UpstreamTimeout("connect", target.timeouts.connect) from None


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
    await _sign(request, target)
    response = await transport.send(request, timeouts)
    call, raw = Call(target, response, []), b""
    try:
        if response.status >= 300:  # noqa: PLR2004 - HTTP's success range; redirects are never followed
            raise UpstreamStatus.of(
                response.status, response.headers, await response.read(MAX_ERROR, truncate=True)
            )
        if outgoing.answer is ResponseKind.EVENTS:
            call.blocks = response.chunks()
            call.first = await begun(call, dialect, outgoing, call.blocks)
        elif outgoing.answer is ResponseKind.BINARY:
            call.first = await first_piece(call, dialect, outgoing)
        else:
            raw = await response.read(MAX_ANSWER, object_only=True)
            if raw and raw[:1] != b"{":
                raw = await read_otherwise(call, dialect, outgoing, raw)
            if call.stream is None:
                await read_answer(call, dialect, outgoing, raw)
            else:
                take_folded(call, outgoing, raw)
    except BaseException as error:  # on any error the connection is not left half read
        await response.aclose()
        told = what_ended(error, call, raw)
        if told is error:
            raise
        raise told from error
    return call
