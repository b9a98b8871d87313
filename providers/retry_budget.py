"""How many further attempts a provider's calls may cause, so that an outage is not amplified. Pure; clock passed in."""

from __future__ import annotations

EARNED = 0.1  # by each answer, not by each call: while nothing answers, nothing more is earned
MOST = 50.0
FLOOR_PER_S = 3.0  # and in any case so many a second


class RetryBudget:
    """Full at the start, so that a provider that is away from the first call on does not fail a burst of calls."""

    __slots__ = ("_floor", "_refilled_at", "_tokens")

    def __init__(self) -> None:
        self._tokens = MOST
        self._floor = FLOOR_PER_S
        self._refilled_at = float("-inf")

    def earn(self) -> None:
        """A deployment answered: a tenth of the answers may be tries of calls that failed before."""
        if self._tokens < MOST:
            self._tokens = min(MOST, self._tokens + EARNED)

    def spend(self, now: float) -> bool:
        """Pay for a further attempt; False: not now."""
        if self.spend_floor(now):
            return True
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return True
        return False

    def spend_floor(self, now: float) -> bool:
        """Pay with what comes back every second and nothing else: for calls to deployments that are all broken."""
        self._floor = min(FLOOR_PER_S, self._floor + max(0.0, now - self._refilled_at) * FLOOR_PER_S)
        self._refilled_at = now
        if self._floor < 1.0:
            return False
        self._floor -= 1.0
        return True
