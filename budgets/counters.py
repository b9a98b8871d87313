"""The rates of one scope in this process: the last minute, and the running calls by lease."""

from __future__ import annotations

from budgets.admission import RateRefused, ScopeRules
from budgets.granted_call import GrantedCall
from budgets.purses import Purse
from budgets.ring import Ring

SLOT_RETRY_MS = 1000  # nobody knows when a running call ends


class Counters:
    """Also remembers the purses of the scope's budgets that were asked for last."""

    __slots__ = ("purses", "ring", "running")

    def __init__(self) -> None:
        self.ring = Ring()
        self.running: dict[str, GrantedCall] = {}  # the lease that ends first comes first
        self.purses: dict[tuple[str, str], Purse] = {}  # by (schedule, zone)

    @property
    def is_idle(self) -> bool:
        return not self.running and not self.ring.requests

    def refusal(self, rules: ScopeRules, tokens: int, now: float) -> RateRefused | None:
        """Return why one more call does not fit: a slot first, then requests, then tokens. Slide the ring first."""
        limits, ring, scope = rules.limits, self.ring, rules.scope
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
