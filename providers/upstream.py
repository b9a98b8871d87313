"""Tries the targets of a call's plan and returns the first response. Fails over only before the first content.

Cost: one upstream exchange. Every wait has a timeout; every abandoned connection is closed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, cast

from gateway.values.fallback_log import FALLBACKS
from providers.binary_answer import first_piece
from providers.call import Call
from providers.conversation.parameters import Unsupported
from providers.dialects.base import Dialect
from providers.dialects.choice import Dialects
from providers.dialects.several import SeveralRequests
from providers.dialects.translated import Translated
from providers.errors.exceptions import (
    DeadlineExceeded,
    RequestUnsupported,
    UpstreamFailed,
    UpstreamStatus,
    summarize,
)
from providers.errors.out_of_memory import OutOfMemory
from providers.errors.tracebacks import drop_frames
from providers.exchange import (
    MAX_ANSWER,
    failure_for,
    read_answer,
    request_for,
    request_with,
)
from providers.other_form import begin_stream, read_other_form, set_folded
from providers.outgoing import Outgoing, ResponseKind
from providers.processes.work_process import WorkerLost, WorkTooExpensive
from providers.request_additions import MAX_REQUESTS, Added, Additions, without
from providers.resilience.attempt_log import Attempt, AttemptRecorder
from providers.resilience.attempt_planner import AttemptPlanner, end_failed
from providers.resilience.health import DeploymentHealth
from providers.resilience.plan import CallProgress, Deadline, Plan, timeouts_within
from providers.sending.several_requests import Requests, SeveralSender, requests_for
from providers.sending.signed_exchange import send_signed
from providers.target import Target
from providers.transport.client import Transport, UpstreamRequest

__all__ = ["Attempt", "Call", "Outgoing", "open_call"]


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
    planner = AttemptPlanner(plan, health, outgoing.progress)
    recorder = health.recorder(attempts, outgoing.request_id)
    while (step := await planner.begin(outgoing.raise_hold, failures)) is not None:
        target, attempt = step
        sender = _AttemptSender(transport, dialects, outgoing, plan.deadline, recorder)
        try:
            call = await sender.send(target, health.additions)
        except UpstreamFailed as raised:
            raised.set_target(target)
            failure = end_failed(raised, attempt, plan.deadline)
            failure.set_target(target)
            recorder.record_failure(target, failure, sender.started)
            failures.append(failure)
            drop_frames(failure)
            await _wait(planner.failed(target, failure), plan.deadline)
        except BaseException as error:  # however the attempt ended, its bulkhead slot is released
            attempt.release()
            outcome = "cancelled" if isinstance(error, asyncio.CancelledError) else "internal_error"
            recorder.record_end(target, outcome, None, sender.started, reached=sender.was_sent)
            raise
        else:
            attempt.record_success()
            call.attempts, call.attempt = attempts, attempt
            call.deadline, call.recorder = plan.deadline, recorder
            recorder.record_end(target, "ok", call.response.status, sender.started)
            if call.stream is None:
                attempt.finish()
            return call
    raise _final_failure(outgoing.progress, failures, plan, health)


def _final_failure(
    progress: CallProgress, failures: list[UpstreamFailed], plan: Plan, health: DeploymentHealth
) -> UpstreamFailed | asyncio.CancelledError:
    if progress.client_disconnected:
        return asyncio.CancelledError()
    return summarize(failures) if failures else health.unavailable(plan.targets, progress.tenant_id)


class _AttemptSender:
    """One attempt at a target: the request, and once more without an addition of ours that is refused by name."""

    __slots__ = ("_deadline", "_dialects", "_outgoing", "_recorder", "_request", "_transport", "started")

    def __init__(
        self,
        transport: Transport,
        dialects: Dialects,
        outgoing: Outgoing,
        deadline: Deadline | None,
        recorder: AttemptRecorder,
    ) -> None:
        self._transport, self._dialects, self._outgoing = transport, dialects, outgoing
        self._deadline, self._request = deadline, cast("UpstreamRequest | Requests | None", None)
        self._recorder = recorder
        self.started = time.perf_counter()

    @property
    def was_sent(self) -> bool:
        return self._request is not None and self._request.was_sent

    async def send(self, target: Target, additions: Additions) -> Call:
        """Send the request to the target. Raises UpstreamFailed."""
        tenant_id = self._outgoing.progress.tenant_id
        added = additions.for_target(target, tenant_id)
        refused: tuple[Added, ...] = ()
        while True:
            try:
                call = await self._send_with(target, added)
            except UpstreamStatus as refusal:
                refused = (*refused, added)
                other = self._without_refused(added, refusal)
                if other is None or other in refused or len(refused) >= MAX_REQUESTS:
                    raise
                refusal.set_target(target)
                refusal.kind = "addition_refused"
                self._recorder.record_failure(target, refusal, self.started)
                self.started, added = time.perf_counter(), other
            else:
                if refused:
                    additions.learn(target, added, tenant_id)
                call.set_by_gateway = self._dialects.for_target(target).describe_additions(added)
                return call

    def _without_refused(self, added: Added, refusal: UpstreamStatus) -> Added | None:
        outgoing = self._outgoing
        if outgoing.progress.client_disconnected:
            return None
        return without(added, refusal, has_cap=outgoing.has_cap, asks_usage=outgoing.asks_usage)

    def _send_with(self, target: Target, added: Added) -> Coroutine[Any, Any, Call]:
        dialect = self._dialects.for_target(target)
        try:
            if not dialect.is_made_in_steps:
                request = request_for(dialect, self._outgoing, target, added)
            elif isinstance(dialect, SeveralRequests):
                return self._send_several(dialect, target)
            else:
                return self._send_large(cast("Translated", dialect), target, added)
        except Unsupported as fault:
            raise RequestUnsupported(fault.member, fault.why) from None
        return self._begin(dialect, target, request)

    def _begin(self, dialect: Dialect, target: Target, request: UpstreamRequest) -> Coroutine[Any, Any, Call]:
        self._request = self._outgoing.progress.latest_request = request
        return _try(self._transport, dialect, self._outgoing, target, request, self._deadline)

    async def _send_large(self, dialect: Translated, target: Target, added: Added) -> Call:
        """Send a request that another process translates."""
        outgoing, offload = self._outgoing, self._outgoing.offload
        assert offload is not None  # noqa: S101 - the same call had its head read there
        try:
            body = await dialect.request_elsewhere(outgoing.raw, target, added, offload.share)
        except Unsupported as fault:
            raise RequestUnsupported(fault.member, fault.why) from None
        except WorkTooExpensive:
            raise RequestUnsupported("messages", "takes no request that takes so long to translate") from None
        except WorkerLost as fault:
            FALLBACKS.note("large_bodies", fault)
            raise OutOfMemory(f"the request could not be translated: {fault}") from None
        return await self._begin(dialect, target, request_with(body, dialect, outgoing, target))

    def _send_several(self, dialect: SeveralRequests, target: Target) -> Coroutine[Any, Any, Call]:
        """Raises Unsupported."""
        requests = self._request = requests_for(dialect, self._outgoing, target)
        self._outgoing.progress.latest_request = requests
        sender = SeveralSender(self._transport, dialect, self._outgoing, target, requests, self._deadline)
        return sender.send()


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
    response = await send_signed(transport, request, target, timeouts)
    call, raw = Call(target, response, []), b""
    try:
        if outgoing.answer is ResponseKind.EVENTS:
            call.blocks = response.chunks()
            call.first = await begin_stream(call, dialect, outgoing, call.blocks)
        elif outgoing.answer is ResponseKind.BINARY:
            call.first = await first_piece(call, dialect, outgoing)
        else:
            raw = await response.read(MAX_ANSWER, object_only=True)
            if raw and raw[:1] != b"{":
                raw = await read_other_form(call, dialect, outgoing, raw)
            if call.stream is None:
                await read_answer(call, dialect, outgoing, raw)
            else:
                set_folded(call, outgoing, raw)
    except BaseException as error:  # on any error the connection is not left half read
        await response.aclose()
        failure = failure_for(error, call, raw)
        if failure is error:
            raise
        raise failure from error
    return call
