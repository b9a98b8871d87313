"""Limits further attempts at one endpoint, so that retries do not amplify an outage. Pure; clock passed in.

An attempt at another endpoint does not load the failing one: it is charged to the budget of the endpoint that would
get it, and not at all if that endpoint is healthy. So a healthy endpoint takes every call of those that fail.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

EARNED: Final = 0.1  # by each response, not by each call: without responses nothing is earned
MOST: Final = 50.0
FLOOR_PER_S: Final = 3.0  # in any case so many a second
HEALTHY_S: Final = 10.0  # a response older than this no longer proves that an endpoint is healthy
UNHEALTHY: Final = 0.1  # moving average of failures from which on attempts are charged
WEIGHT: Final = 0.1  # of the newest outcome in it


class RetryBudget:
    """Full at the start, so that a burst of calls may try an endpoint that was never called."""

    __slots__ = (
        "_failure_rate",
        "_first_outcome",
        "_floor",
        "_healthy_until",
        "_last_failed_tenant",
        "_refilled_at",
        "_tokens",
    )

    def __init__(self) -> None:
        self._tokens = MOST
        self._floor = FLOOR_PER_S
        self._refilled_at = self._healthy_until = float("-inf")
        self._failure_rate = 0.0
        self._last_failed_tenant = 0
        self._first_outcome: asyncio.Event | None = None  # of calls that wait for the first outcome

    def record_success(self, now: float) -> None:
        """Record a response: ten responses earn one further attempt."""
        if self._tokens < MOST:
            self._tokens = min(MOST, self._tokens + EARNED)
        if self._failure_rate:
            self._failure_rate *= 1.0 - WEIGHT
        self._healthy_until = now + HEALTHY_S
        if self._first_outcome is not None:
            self._wake()

    def record_failure(self, tenant_id: int) -> None:
        """Record a failure: consecutive failures of one tenant count once, since its requests may cause them."""
        if tenant_id and tenant_id == self._last_failed_tenant:
            return
        self._last_failed_tenant = tenant_id
        self._failure_rate = self._failure_rate * (1.0 - WEIGHT) + WEIGHT
        if self._first_outcome is not None:
            self._wake()

    def is_healthy(self, now: float) -> bool:
        """Whether it responds, so that a further attempt there is not charged."""
        return now < self._healthy_until and self._failure_rate < UNHEALTHY

    @property
    def is_unknown(self) -> bool:
        """Whether it has no outcome yet: no response and no failure."""
        return not self._failure_rate and self._healthy_until == float("-inf")

    def spend(self, now: float) -> bool:
        """Charge a further attempt; False: not now."""
        if self.spend_floor(now):
            return True
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return True
        return False

    def spend_floor(self, now: float) -> bool:
        """Charge only the part that is refilled every second: for calls whose deployments are all ejected."""
        self._floor = min(FLOOR_PER_S, self._floor + max(0.0, now - self._refilled_at) * FLOOR_PER_S)
        self._refilled_at = now
        if self._floor < 1.0:
            return False
        self._floor -= 1.0
        return True

    async def wait_for_outcome(self, seconds: float) -> None:
        """Wait for a response or a failure, at most so long."""
        if self._first_outcome is None:
            self._first_outcome = asyncio.Event()
        with suppress(TimeoutError):  # then it is still unknown, and the caller decides
            async with asyncio.timeout(seconds):
                await self._first_outcome.wait()

    def _wake(self) -> None:
        assert self._first_outcome is not None  # noqa: S101 - a call waits
        self._first_outcome.set()
        self._first_outcome = None
