"""Admission in the memory of one process, for embedded mode: one atomic step decides rates, parallel calls and money.

Every decision is synchronous, without an await between check and write, so it is atomic in the event loop; all
methods must be called from that loop's thread. About 20 us a call; the ledger is read only for a window that is not
known yet. Two clocks: `clock` (epoch seconds) selects the budget window of a call, `steady` (monotonic) drives rates
and leases, so that a step of the wall clock neither freezes a limit nor doubles it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from typing_extensions import override

from budgets.admission.interface import (
    Admission,
    AdmissionRequest,
    AdmissionUnavailable,
    BudgetRefused,
    BudgetStatus,
    Grant,
    LimitStatus,
    RateRefused,
    ScopeRules,
    WindowTotal,
)
from budgets.local.scope_state import AdmittedCall, Bound, ScopeState
from budgets.local.status import limit_status, of_budget, rates, room, tightest
from budgets.local.window_cache import Load, WindowCache, WindowState

LOAD_ATTEMPTS = 3  # a window may end, or be invalidated, while it is being loaded
TIDY_EVERY_S = 300.0


class LocalAdmission(Admission):
    """Calls are kept by request id: running until settled, then settled until the ledger has posted them."""

    def __init__(
        self,
        load: Load,
        clock: Callable[[], float] = time.time,
        lease_s: float = 30.0,
        orphan_s: float = 150.0,
        *,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self.orphans = 0  # calls neither renewed nor settled, dropped with their holds
        self._clock, self._steady = clock, steady
        self._lease_s, self._orphan_s = lease_s, orphan_s
        self._windows = WindowCache(load)
        self._scopes: dict[str, ScopeState] = {}
        self._running: dict[str, AdmittedCall] = {}  # by last renewal, the oldest first
        self._settled: dict[str, AdmittedCall] = {}
        self._look_at = self._tidy_at = 0.0

    @override
    async def admit(self, ask: AdmissionRequest) -> Grant:
        for _ in range(LOAD_ATTEMPTS):
            decided = self._decide(ask)
            if isinstance(decided, Grant):
                return decided
            await self._windows.load(decided)
        raise AdmissionUnavailable

    @override
    async def raise_hold(self, request_id: str, hold_nanousd: int) -> bool:
        for _ in range(LOAD_ATTEMPTS):
            self._drop_expired(self._steady())
            call = self._running.get(request_id)
            if call is None or call.is_posted or call.is_of_another_day(self._clock()):
                return False
            more = hold_nanousd - call.amount
            if more <= 0:
                return True
            unknown = _unknown(call.bounds)
            if not unknown:
                fits = all(room(bound) >= more for bound in call.bounds)
                if fits:
                    call.raise_hold(hold_nanousd)
                return fits
            await self._windows.load(unknown)
        raise AdmissionUnavailable

    @override
    async def settle(
        self, request_id: str, tokens: int, cost_nanousd: int, unsettled_nanousd: int = 0
    ) -> LimitStatus:
        now = self._steady()
        self._drop_expired(now)
        call = self._running.pop(request_id, None)
        if call is None:
            call = self._settled.get(request_id)
            return LimitStatus() if call is None else self._status_of(call, now)
        for counters, second in zip(call.counters, call.seconds, strict=True):
            counters.running.pop(request_id, None)
            counters.window.adjust(second, tokens - call.tokens)
        amount = cost_nanousd + unsettled_nanousd
        if amount == 0 or call.is_posted:
            call.release()
        else:
            call.settle(amount, unsettled_nanousd)
            self._settled[request_id] = call
        return self._status_of(call, now)

    @override
    async def renew(self, request_ids: Sequence[str]) -> None:
        now = self._steady()
        self._drop_expired(now)
        for request_id in request_ids:
            call = self._running.pop(request_id, None)
            if call is not None:
                for counters in call.counters:
                    counters.running.pop(request_id, None)
                self._run(request_id, call, now)

    @override
    async def publish_totals(
        self, posts: Sequence[WindowTotal], request_ids: Sequence[str], *, is_adopted: bool = False
    ) -> bool:
        self._drop_expired(self._steady())
        self._windows.post(posts)
        for request_id in request_ids:
            call = self._settled.pop(request_id, None)
            if call is not None:
                call.release()
                continue
            call = self._running.get(request_id)
            if call is not None:  # the ledger has the call before its settlement arrived
                call.clear()
                call.is_posted = True
        return True

    @override
    async def status(self, scopes: Sequence[ScopeRules]) -> LimitStatus:
        bounds = await self._known(scopes)
        counters, now = [self._scope(rules.scope) for rules in scopes], self._steady()
        for each in counters:
            each.window.advance(now)
        return limit_status(scopes, counters, bounds, now)

    @override
    async def budgets(self, scopes: Sequence[ScopeRules]) -> list[BudgetStatus]:
        return [of_budget(*bound) for bound in await self._known(scopes)]

    async def _known(self, scopes: Sequence[ScopeRules]) -> list[Bound]:
        for _ in range(LOAD_ATTEMPTS):
            self._drop_expired(self._steady())
            bounds = self._bindings(scopes, self._clock())
            unknown = _unknown(bounds)
            if not unknown:
                return bounds
            await self._windows.load(unknown)
        raise AdmissionUnavailable

    @override
    async def invalidate(self) -> None:
        self._windows.invalidate()

    @override
    async def release_worker(self, worker: str) -> bool:
        """No other process decides here: there is nothing to release."""
        return True

    def audit(self) -> list[str]:
        """Return every window whose running sums are not the sums of its calls. Reads everything; for checks."""
        wrong = []
        for state in self._windows:
            running = [call for call in self._running.values() if state in call.states]
            settled = [call for call in self._settled.values() if state in call.states]
            held = sum(call.amount for call in running)
            waiting = sum(call.amount for call in settled)
            found, true = (
                (state.held, state.settled, state.rows),
                (held, waiting, len(running) + len(settled)),
            )
            if found != true:
                wrong.append(f"{state.key}: held, settled, rows are {found} but the calls say {true}")
        return wrong

    def sizes(self) -> dict[str, int]:
        """Return the numbers of entries, for metrics and tests of memory."""
        return {
            "scopes": len(self._scopes),
            "windows": len(self._windows),
            "running": len(self._running),
            "settled": len(self._settled),
        }

    def _decide(self, ask: AdmissionRequest) -> Grant | list[WindowState]:
        """Grant or refuse, or return the windows that must be loaded first; then nothing was changed."""
        now, instant = self._steady(), self._clock()
        self._drop_expired(now)
        known = self._running.get(ask.request_id) or self._settled.get(ask.request_id)
        if known is not None:
            return known.grant
        counters = [self._scope(rules.scope) for rules in ask.scopes]
        for rules, each in zip(ask.scopes, counters, strict=True):
            each.window.advance(now)
            refusal = each.refusal(rules, ask.tokens, now)
            if refusal is not None:
                raise self._with_status(refusal, ask, now)
        bounds = self._bindings(ask.scopes, instant)
        unknown = _unknown(bounds)
        if unknown:
            return unknown
        short = tightest(bounds, ask.hold_nanousd)
        if short is not None:
            raise BudgetRefused(of_budget(*short), ask.hold_nanousd, rates(ask.scopes, counters, now))
        return self._grant(ask, AdmittedCall(ask, counters, bounds, instant), now)

    def _grant(self, ask: AdmissionRequest, call: AdmittedCall, now: float) -> Grant:
        """Record the grant."""
        counters, bounds, instant = call.counters, call.bounds, call.admitted_at
        call.seconds = [each.window.add(now, ask.tokens) for each in counters]
        call.hold(ask.hold_nanousd)
        self._run(ask.request_id, call, now)
        call.grant = Grant(ask.request_id, instant, limit_status(ask.scopes, counters, bounds, now))
        return call.grant

    def _with_status(self, refusal: RateRefused, ask: AdmissionRequest, now: float) -> RateRefused:
        """Add the caller's limit status to a refusal, as far as it is known without reading the ledger."""
        counters = [self._scope(rules.scope) for rules in ask.scopes]
        for each in counters:
            each.window.advance(now)
        bounds = self._bindings(ask.scopes, self._clock())
        known = [bound for bound in bounds if bound[2].is_known]
        refusal.limit_status = limit_status(ask.scopes, counters, known, now)
        return refusal

    def _status_of(self, call: AdmittedCall, now: float) -> LimitStatus:
        """Return the limit status after a call, in the windows that the call belongs to."""
        for each in call.counters:
            each.window.advance(now)
        return limit_status(call.scopes, call.counters, call.bounds, now)

    def _run(self, request_id: str, call: AdmittedCall, now: float) -> None:
        """Renew the call: it holds its slots for another lease."""
        call.renewed_at, call.lease_ends = now, now + self._lease_s
        self._running[request_id] = call
        for counters in call.counters:
            counters.running[request_id] = call

    def _scope(self, scope: str) -> ScopeState:
        counters = self._scopes.get(scope)
        if counters is None:
            counters = self._scopes[scope] = ScopeState()
        return counters

    def _bindings(self, scopes: Sequence[ScopeRules], instant: float) -> list[Bound]:
        bounds = []
        for rules in scopes:
            if not rules.budgets:
                continue
            counters = self._scope(rules.scope)
            for rule in rules.budgets:
                state = counters.states.get((rule.schedule, rule.timezone))
                if state is None or not state.since <= instant < state.end:
                    state = self._windows.find(rules.scope, rule.schedule, rule.timezone, instant)
                    counters.attach(state)
                bounds.append((rules.scope, rule, state))
        return bounds

    def _drop_expired(self, now: float) -> None:
        """Drop calls that were not renewed for `orphan_s`, and at times what is idle. Mostly one comparison."""
        if now < self._look_at:
            return
        lost = []
        for request_id, call in self._running.items():
            if call.renewed_at + self._orphan_s > now:
                break
            lost.append(request_id)
        for request_id in lost:
            call = self._running.pop(request_id)
            call.release()
            for counters in call.counters:
                counters.running.pop(request_id, None)
        self.orphans += len(lost)
        if now >= self._tidy_at:
            self._evict(now)
        oldest = next(iter(self._running.values()), None)
        self._look_at = min(self._tidy_at, (now if oldest is None else oldest.renewed_at) + self._orphan_s)

    def _evict(self, now: float) -> None:
        """Drop idle scopes and old windows, so that memory follows the traffic of the last minutes."""
        self._tidy_at = now + TIDY_EVERY_S
        dropped = self._windows.evict(self._clock())
        for scope, counters in list(self._scopes.items()):
            counters.window.advance(now)
            counters.detach(dropped)
            if counters.is_idle:
                del self._scopes[scope]


def _unknown(bounds: Sequence[Bound]) -> list[WindowState]:
    return [state for _, _, state in bounds if not state.is_known]
