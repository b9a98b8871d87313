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
WELL_S: Final = 10.0  # a response older than this no longer proves that an endpoint is healthy
SICK: Final = 0.1  # moving average of failures from which on attempts are charged
WEIGHT: Final = 0.1  # of the newest outcome in it


class RetryBudget:
    """Full at the start, so that a burst of calls may try an endpoint that was never called."""

    __slots__ = ("_blamed", "_failing", "_floor", "_heard", "_refilled_at", "_tokens", "_well_until")

    def __init__(self) -> None:
        self._tokens = MOST
        self._floor = FLOOR_PER_S
        self._refilled_at = self._well_until = float("-inf")
        self._failing = 0.0
        self._blamed = 0
        self._heard: asyncio.Event | None = None  # of calls that wait for the first outcome

    def answered(self, now: float) -> None:
        """Record a response: ten responses earn one further attempt."""
        if self._tokens < MOST:
            self._tokens = min(MOST, self._tokens + EARNED)
        if self._failing:
            self._failing *= 1.0 - WEIGHT
        self._well_until = now + WELL_S
        if self._heard is not None:
            self._wake()

    def failed(self, who: int) -> None:
        """Record a failure: consecutive failures of one tenant count once, since its requests may cause them."""
        if who and who == self._blamed:
            return
        self._blamed = who
        self._failing = self._failing * (1.0 - WEIGHT) + WEIGHT
        if self._heard is not None:
            self._wake()

    def is_well(self, now: float) -> bool:
        """Whether it responds, so that a further attempt there is not charged."""
        return now < self._well_until and self._failing < SICK

    @property
    def is_unknown(self) -> bool:
        """Whether it has no outcome yet: no response and no failure."""
        return not self._failing and self._well_until == float("-inf")

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

    async def heard(self, seconds: float) -> None:
        """Wait for a response or a failure, at most so long."""
        if self._heard is None:
            self._heard = asyncio.Event()
        with suppress(TimeoutError):  # then it is still unknown, and the caller decides
            async with asyncio.timeout(seconds):
                await self._heard.wait()

    def _wake(self) -> None:
        assert self._heard is not None  # noqa: S101 - a call waits
        self._heard.set()
        self._heard = None
