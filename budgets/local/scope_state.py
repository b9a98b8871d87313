"""The state of one scope in this process - rates of the last minute, running calls by lease, its windows - and of the
calls admitted in it, each from its grant until the ledger has it. They refer to each other, so they are one module.
"""

from __future__ import annotations

from budgets.admission.interface import (
    SLOT_RETRY_MS,
    AdmissionRequest,
    BudgetRule,
    Grant,
    RateRefused,
    ScopeRules,
    WindowKey,
)
from budgets.local.sliding_window import Bucket, SlidingWindow
from budgets.local.window_cache import WindowState

Bound = tuple[str, BudgetRule, WindowState]  # a budget that binds a call: its scope, its rule, its window


class AdmittedCall:
    """One call: its slot, its reserved tokens and its hold.

    `amount` counts in every window: its hold while it runs, then its cost including what is `unsettled`.
    """

    __slots__ = (
        "admitted_at",
        "amount",
        "bounds",
        "counters",
        "grant",
        "is_posted",
        "is_settled",
        "lease_ends",
        "renewed_at",
        "request_id",
        "scopes",
        "seconds",
        "states",
        "tokens",
        "unsettled",
    )

    grant: Grant

    def __init__(
        self, ask: AdmissionRequest, counters: list[ScopeState], bounds: list[Bound], admitted_at: float
    ) -> None:
        self.request_id, self.scopes, self.tokens = ask.request_id, ask.scopes, ask.tokens
        self.counters, self.bounds, self.admitted_at = counters, bounds, admitted_at
        self.amount = self.unsettled = 0
        self.states: list[WindowState] = []
        self.seconds: list[Bucket] = []
        self.renewed_at = self.lease_ends = 0.0
        self.is_settled = False
        self.is_posted = False  # the ledger had it before the settlement: nothing is held any more

    def hold(self, nanousd: int) -> None:
        """Hold this amount in every window of its scopes; once in each, however many budgets use it."""
        self.amount = nanousd
        for counters in self.counters:
            counters.calls[self.request_id] = self
            for state in counters.windows_at(self.admitted_at):
                self._add(state)

    def is_of_another_day(self, instant: float) -> bool:
        """Return whether a rolling window binds it by now that it was not granted in."""
        return any(state.since > state.start and instant >= state.end for _, _, state in self.bounds)

    def raise_hold(self, nanousd: int) -> None:
        for state in self.states:
            state.held += nanousd - self.amount
        self.amount = nanousd

    def settle(self, nanousd: int, unsettled: int = 0) -> None:
        """Replace the hold by an amount that waits for the ledger; `unsettled` is a part of it."""
        for state in self.states:
            state.held -= self.amount
            state.settled += nanousd
            state.waiting += unsettled
        self.amount, self.unsettled, self.is_settled = nanousd, unsettled, True

    def release(self) -> None:
        """Remove the call from its windows and scopes."""
        self.clear()
        for counters in self.counters:
            counters.calls.pop(self.request_id, None)

    def clear(self) -> None:
        """Subtract the call's amount from every window."""
        for state in self.states:
            state.rows -= 1
            if self.is_settled:
                state.settled -= self.amount
                state.waiting -= self.unsettled
            else:
                state.held -= self.amount
        self.states = []

    def add_to(self, state: WindowState) -> None:
        """Add the call to a window of one of its scopes, if it was granted in it and is not in it yet."""
        is_inside = state.start <= self.admitted_at < state.end
        if is_inside and not self.is_posted and state not in self.states:
            self._add(state)

    def _add(self, state: WindowState) -> None:
        self.states.append(state)
        state.rows += 1
        if self.is_settled:
            state.settled += self.amount
            state.waiting += self.unsettled
        else:
            state.held += self.amount


class ScopeState:
    """Kept as long as the scope has calls that are not yet in the ledger, or had one in the last minute."""

    __slots__ = ("calls", "earlier", "running", "states", "window")

    def __init__(self) -> None:
        self.window = SlidingWindow()
        self.running: dict[str, AdmittedCall] = {}  # the lease that ends first comes first
        self.calls: dict[str, AdmittedCall] = {}  # running, or waiting for the ledger
        self.states: dict[tuple[str, str], WindowState] = {}  # by (schedule, zone): the window used last
        self.earlier: list[
            WindowState
        ] = []  # those used before: a clock that is set back may admit calls in them

    @property
    def is_idle(self) -> bool:
        return not self.calls and not self.window.requests

    def attach(self, state: WindowState) -> None:
        """Make this the current window of its schedule, with the amounts of calls granted in it before."""
        name = state.key.schedule, state.key.timezone
        before = self.states.get(name)
        self.earlier = [each for each in self.earlier if each is not state]
        if before is not None and before is not state:
            self.earlier.append(before)
        self.states[name] = state
        for call in self.calls.values():
            call.add_to(state)

    def detach(self, dropped: set[WindowKey]) -> None:
        """Remove windows that are no longer kept."""
        if dropped:
            self.states = {name: state for name, state in self.states.items() if state.key not in dropped}
            self.earlier = [state for state in self.earlier if state.key not in dropped]

    def windows_at(self, instant: float) -> list[WindowState]:
        """Return every window known here that contains the instant, also of budgets that do not bind now."""
        known = [*self.states.values(), *self.earlier] if self.earlier else self.states.values()
        return [state for state in known if state.start <= instant < state.end]

    def refusal(self, rules: ScopeRules, tokens: int, now: float) -> RateRefused | None:
        """Return why one more call does not fit: slots first, then requests, then tokens. Call advance() before."""
        limits, ring, scope = rules.limits, self.window, rules.scope
        limit = limits.parallel_requests
        if limit is not None and len(self.running) >= limit and self._running_at(now) >= limit:
            return RateRefused(scope, "parallel", limit, 0, SLOT_RETRY_MS)
        limit = limits.requests_per_minute
        if limit is not None and ring.requests >= limit:
            wait = ring.wait_for_requests_ms(ring.requests + 1 - limit, now)
            return RateRefused(scope, "requests", limit, 0, wait)
        limit = limits.tokens_per_minute
        if limit is not None and ring.tokens + tokens > limit:
            wait = ring.wait_for_tokens_ms(ring.tokens + tokens - limit, now)
            left = max(0, limit - ring.tokens)
            return RateRefused(scope, "tokens", limit, left, wait, possible=tokens <= limit)
        return None

    def _running_at(self, now: float) -> int:
        """Free the slots whose lease ended, and count the others."""
        expired = []
        for request_id, call in self.running.items():
            if call.lease_ends > now:
                break
            expired.append(request_id)
        for request_id in expired:
            del self.running[request_id]
        return len(self.running)
