"""Admission shared by all workers (docs/admission-redis.md): Lua scripts, one round trip to admit, one to settle.

The same decisions as in budgets/local/admission.py, on the clock of Redis. Each worker keeps its calls in memory, and
sends them to Redis again after a loss of data (budgets/redis/recovery/recovery.py), and late after an outage.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from typing import assert_never

from typing_extensions import override

from budgets.admission.interface import (
    Admission,
    AdmissionRequest,
    AdmissionUnavailable,
    BudgetStatus,
    Grant,
    LimitStatus,
    ScopeRules,
    WindowTotal,
)
from budgets.local.window_cache import Load
from budgets.redis import replies
from budgets.redis.client.channel import Channel
from budgets.redis.client.connection import TIMEOUT_S, RedisConnection
from budgets.redis.client.protocol import LONGEST_S, Unreachable
from budgets.redis.client.scripts import PREFIX
from budgets.redis.commands import ADMIT, INVALIDATE_TOTALS, RAISE_HOLD
from budgets.redis.held_calls import HeldCall
from budgets.redis.limit_status import budget_of, budget_refusal, limit_status_of, rate_refusal
from budgets.redis.outbox import LEASE_S, ORPHAN_S, Outbox
from budgets.redis.recovery.prerequisites import Prerequisites
from budgets.redis.recovery.recovery import Recovery
from budgets.redis.recovery.scope_tenants import ScopeTenants, tenants
from budgets.redis.recovery.window_loader import WindowLoader
from budgets.redis.scope_request import ScopeRequest, scope_request
from budgets.redis.script_runner import Clock, ScriptRunner
from budgets.redis.status_cache import StatusCache
from budgets.redis.status_reader import StatusReader
from budgets.redis.workers.dead_workers import DeadWorkers
from budgets.redis.workers.final_report import FinalReport, NoReportStore, ReportStore
from budgets.redis.workers.maintenance import Maintenance
from budgets.redis.workers.outage_allowance import YIELD_S, YIELD_WAIT_S, OutageAllowances
from budgets.redis.workers.worker_registry import Members, WorkerRegistry, no_other_worker
from gateway.values.fallback_log import FALLBACKS
from gateway.values.signed_messages import Signer


class RedisAdmission(Admission):
    """One per worker. Call `open` and `aclose` in the event loop that uses it."""

    def __init__(  # noqa: PLR0913 - all but three have defaults
        self,
        url: str,
        load: Load,
        *,
        signer: Signer,
        timeout_s: float = TIMEOUT_S,
        longest_s: float = LONGEST_S,
        members: Members = no_other_worker,
        notes: ReportStore | None = None,
        clock: Clock | None = None,
        prefix: str = PREFIX,
        worker: str = "",
    ) -> None:
        self.worker = worker or uuid.uuid4().hex  # no other process ever uses the same name
        self._clock, self._prefix, self._longest_s = clock, prefix, longest_s
        self._calls, self._last = dict[str, HeldCall](), StatusCache()
        self._connection = RedisConnection(url, f"{prefix}:workers", timeout_s, longest_s)
        self._channel = Channel(self._connection, signer)
        self.workers = WorkerRegistry(self.worker, members)
        self._runner = ScriptRunner(self._connection, prefix, clock)
        self._run = self._runner.run
        owners = ScopeTenants(self._connection, prefix)
        self._outbox = Outbox(self._run, self._connection, self._calls, owners, self.worker)
        self._dead_workers = DeadWorkers(self._run, self._channel, self._outbox, prefix)
        is_dead = self._dead_workers.is_recorded
        recovery = Recovery(self._channel, self._run, load, self.workers, owners, is_dead)
        reports = notes or NoReportStore()
        self._report = FinalReport(self._run, self._connection, self._calls, reports, self.worker)
        recovery.stand_in, self._runner.gate = self._report.stand_in, self._report.note_command
        self._prerequisites = Prerequisites(recovery, WindowLoader(self._run, load, owners))
        self._statuses = StatusReader(self._runner.run_or_refuse, self._prerequisites, self._now, longest_s)

    async def open(self, *, tend: bool = True) -> None:
        """Connect and start maintenance; Redis may be unreachable. `tend` False: no maintenance loop."""
        is_dead = self._dead_workers.is_recorded
        self._allowances = OutageAllowances(self._run, self.workers, is_dead, self._resend_all)
        parts = (self.workers, self._outbox, self._allowances, self._report)
        self._maintenance = Maintenance(self._channel, *parts, self._now)
        await self._connection.open()
        if tend:
            self._maintenance.start(self._calls)

    async def aclose(self) -> bool:
        """Flush the outbox, announce the end, disconnect. False: the ledger does not have all of its calls."""
        await self._prerequisites.aclose()
        is_done = await self._maintenance.aclose()
        await self._connection.aclose()
        return is_done

    @property
    def is_up(self) -> bool:
        return self._connection.is_up

    @override
    def fitness(self) -> tuple[str, bool]:
        return self._connection.trouble, self._allowances.has_some

    @property
    def data_epoch(self) -> str:
        """The data epoch in which this worker first connected; "" if it never did."""
        return self._connection.born_in

    @override
    async def admit(self, ask: AdmissionRequest) -> Grant:
        try:
            return await self._admit(ask)
        except asyncio.CancelledError:
            voided = self._outbox.cancel(HeldCall.of(ask, self._now()))
            self._maintenance.spawn(voided)  # Redis may have granted it, and it is never settled
            raise
        except Unreachable as away:
            return await self._admit_offline(ask, is_unknown=away.is_undone)
        except AdmissionUnavailable:
            if any(rules.budgets for rules in ask.scopes):
                raise
            return await self._admit_offline(ask)  # rates may be lost for a minute, money may not

    @override
    async def raise_hold(self, request_id: str, hold_nanousd: int) -> bool:
        call = self._calls.get(request_id)
        if call is None or call.want.is_of_another_day(self._now()):
            return False
        deadline = asyncio.get_running_loop().time() + self._longest_s
        while True:
            raised = [request_id, hold_nanousd, call.want.packed]
            reply = await self._runner.run_or_refuse(RAISE_HOLD, call.want.tag, raised)
            match reply:
                case replies.Raised():
                    call.amount = max(call.amount, hold_nanousd)
                    return True
                case replies.NotRaised():
                    return False
                case replies.NeedsAllowances():
                    try:
                        await self._take_back(reply, call.want, deadline)
                    except (AdmissionUnavailable, Unreachable) as away:
                        FALLBACKS.note("redis_top_up", away)
                        return False
                case replies.Unprepared():
                    await self._prerequisites.satisfy(reply, call.want, deadline)
                case _:
                    assert_never(reply)

    @override
    async def settle(
        self, request_id: str, tokens: int, cost_nanousd: int, unsettled_nanousd: int = 0
    ) -> LimitStatus:
        call = self._calls.get(request_id)
        if call is None:
            return LimitStatus()
        if not call.is_settled:  # recorded before it is sent: a resend must be correct
            call.settle(tokens, cost_nanousd, unsettled_nanousd)
            if call.is_offline:
                await self._allowances.settle(request_id, tokens, call.amount)
        try:
            reply = await self._outbox.settle(call)
        except Unreachable as away:
            FALLBACKS.note("redis_settle", away)
            return self._last.get(call.want.scopes, self._now()) or LimitStatus()
        match reply:
            case replies.Settled():
                return self._last.record(call.want.scopes, limit_status_of(call.want, reply))
            case replies.Gone() | replies.NeedsRecovery():
                return LimitStatus()
            case _:
                assert_never(reply)

    @override
    async def renew(self, request_ids: Sequence[str]) -> None:
        await self._allowances.renew_leases(request_ids)
        with FALLBACKS.noted("redis_renew", Unreachable):
            await self._outbox.renew([self._calls[each] for each in request_ids if each in self._calls])

    @override
    async def publish_totals(
        self, posts: Sequence[WindowTotal], request_ids: Sequence[str], *, is_adopted: bool = False
    ) -> bool:
        self._outbox.add(posts, request_ids, is_adopted=is_adopted)
        with FALLBACKS.noted("redis_post", Unreachable):
            await self._outbox.flush()
        return self._outbox.is_drained

    @override
    async def status(self, scopes: Sequence[ScopeRules]) -> LimitStatus:
        """Return the last known status if Redis cannot answer. Raises AdmissionUnavailable if there is none."""
        try:
            return self._last.record(scopes, limit_status_of(*await self._statuses.read(scopes)))
        except AdmissionUnavailable as away:
            if (last := self._last.get(scopes, self._now())) is None:
                raise
            FALLBACKS.note("redis_standing", away)
            return last

    @override
    async def budgets(self, scopes: Sequence[ScopeRules]) -> list[BudgetStatus]:
        want, reply = await self._statuses.read(scopes)
        return [budget_of(want, reply, place) for place in range(len(want.bounds))]

    @override
    async def invalidate(self) -> None:
        async for tag in tenants(self._connection, self._prefix):
            await self._run(INVALIDATE_TOTALS, tag, [])

    @override
    async def release_worker(self, worker: str) -> bool:
        """Drop the holds that it never journaled; its outage allowances may be reclaimed from now on."""
        self.workers.remove(worker)
        with FALLBACKS.noted("redis_bury", Unreachable):
            await self._dead_workers.release(worker)
            return True
        return False

    def _now(self) -> float:
        """Return the time of Redis as far as it is known; a reply "window" corrects it."""
        return self._clock()[1] if self._clock is not None else time.time() + self._prerequisites.skew_s

    async def _admit(self, ask: AdmissionRequest) -> Grant:
        deadline = asyncio.get_running_loop().time() + self._longest_s
        while True:
            want = scope_request(ask.scopes, self._now())
            holds = [ask.request_id, ask.tokens, ask.hold_nanousd, LEASE_S, ORPHAN_S]
            reply = await self._run(ADMIT, want.tag, [*holds, want.packed, self.worker])
            match reply:
                case replies.Granted():
                    return self._granted(ask, want, reply)
                case replies.AlreadyKnown():
                    call = self._calls.get(ask.request_id)
                    return call.grant if call is not None else self._granted(ask, want, reply)
                case replies.RateExceeded():
                    raise rate_refusal(want, reply, ask.tokens)
                case replies.BudgetShort():
                    raise budget_refusal(want, reply, ask)
                case replies.NeedsAllowances():
                    await self._take_back(reply, want, deadline)
                case replies.Unprepared():
                    await self._prerequisites.satisfy(reply, want, deadline)
                case _:
                    assert_never(reply)

    def _granted(
        self, ask: AdmissionRequest, want: ScopeRequest, reply: replies.Granted | replies.AlreadyKnown
    ) -> Grant:
        limit_status = self._last.record(ask.scopes, limit_status_of(want, reply))
        grant = Grant(ask.request_id, reply.instant, limit_status)
        call = HeldCall(ask.request_id, want, ask.tokens, ask.hold_nanousd, grant)
        call.seconds, call.link = reply.seconds, self._connection.opened
        self._calls[ask.request_id] = call
        self._outbox.confirm(ask.request_id)
        self._allowances.record(want)
        return grant

    async def _admit_offline(self, ask: AdmissionRequest, *, is_unknown: bool = False) -> Grant:
        """Grant it from the outage allowance; `is_unknown`: Redis certainly did not receive it."""
        try:
            grant = await self._allowances.admit(ask)
        except BaseException:  # cancellation too: Redis may have granted it before it stopped answering
            if not is_unknown:
                self._outbox.mark_uncertain(HeldCall.of(ask, self._now()))
            raise
        FALLBACKS.note("redis_admit", "a call was granted out of what was set aside")
        call = HeldCall.of(ask, self._now())
        call.is_offline, call.is_unknown = True, is_unknown
        limit_status = self._last.get(ask.scopes, self._now()) or grant.limit_status
        call.grant = Grant(ask.request_id, call.grant.admitted_at, limit_status)
        self._calls[ask.request_id] = call
        self._outbox.confirm(ask.request_id)
        return call.grant

    async def _take_back(self, reply: replies.NeedsAllowances, want: ScopeRequest, deadline: float) -> None:
        """Reclaim outage allowances. Raises AdmissionUnavailable if a worker does not answer: it may spend its own."""
        if asyncio.get_running_loop().time() + self._longest_s - YIELD_WAIT_S >= deadline:
            raise AdmissionUnavailable
        if scopes := await self._allowances.reclaim(want, reply.holders, self._now()):
            await self._maintenance.publish("release " + " ".join(scopes))
        await asyncio.sleep(YIELD_S)

    async def _resend_all(self) -> None:
        await self._outbox.flush()
        await self._outbox.resend(None)
        for request_id in self._calls:
            self._allowances.confirm(request_id)
