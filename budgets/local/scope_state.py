"""The state of one scope in this process: rates of the last minute, running calls by lease, its windows."""

from __future__ import annotations

from budgets.admission.interface import SLOT_RETRY_MS, RateRefused, ScopeRules, WindowKey
from budgets.local.admitted_call import AdmittedCall
from budgets.local.sliding_window import SlidingWindow
from budgets.local.window_cache import WindowState


class ScopeState:
    """Kept as long as the scope has calls that are not yet in the ledger, or had one in the last minute."""

    __slots__ = ("calls", "purses", "running", "window")

    def __init__(self) -> None:
        self.window = SlidingWindow()
        self.running: dict[str, AdmittedCall] = {}  # the lease that ends first comes first
        self.calls: dict[str, AdmittedCall] = {}  # running, or waiting for the ledger
        self.purses: dict[tuple[str, str], WindowState] = {}  # by (schedule, zone): the window used last

    @property
    def is_idle(self) -> bool:
        return not self.calls and not self.window.requests

    def attach(self, purse: WindowState) -> None:
        """Make this the current window of its schedule, with the amounts of calls granted in it before."""
        self.purses[purse.key.schedule, purse.key.timezone] = purse
        for call in self.calls.values():
            call.add_to(purse)

    def detach(self, dropped: set[WindowKey]) -> None:
        """Remove windows that are no longer kept."""
        if dropped:
            self.purses = {name: purse for name, purse in self.purses.items() if purse.key not in dropped}

    def windows_at(self, instant: float) -> list[WindowState]:
        """Return every window known here that contains the instant, also of budgets that do not bind now."""
        return [purse for purse in self.purses.values() if purse.start <= instant < purse.end]

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
