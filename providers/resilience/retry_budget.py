"""How many further tries one endpoint may get, so that an outage is not amplified. Pure; clock passed in.

A call that goes to another endpoint does not burden the sick one: what is charged is the budget of the endpoint that
would get the try, and where that one answers, nothing is. So a healthy endpoint takes every call of those that fail.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

EARNED: Final = 0.1  # by each answer, not by each call: while nothing answers, nothing more is earned
MOST: Final = 50.0
FLOOR_PER_S: Final = 3.0  # and in any case so many a second
WELL_S: Final = 10.0  # an endpoint that answered so long ago is no longer known to be well
SICK: Final = 0.1  # share of failures, newest first, from which on tries are charged
WEIGHT: Final = 0.1  # of the newest


class RetryBudget:
    """Full at the start, so that an endpoint that nobody has called yet may be tried by a burst of calls."""

    __slots__ = ("_blamed", "_failing", "_floor", "_heard", "_refilled_at", "_tokens", "_well_until")

    def __init__(self) -> None:
        self._tokens = MOST
        self._floor = FLOOR_PER_S
        self._refilled_at = self._well_until = float("-inf")
        self._failing = 0.0
        self._blamed = 0
        self._heard: asyncio.Event | None = None  # of somebody who waits for the first word

    def answered(self, now: float) -> None:
        """It answered: a tenth of the answers may be tries of calls that failed before."""
        if self._tokens < MOST:
            self._tokens = min(MOST, self._tokens + EARNED)
        if self._failing:
            self._failing *= 1.0 - WEIGHT
        self._well_until = now + WELL_S
        if self._heard is not None:
            self._wake()

    def failed(self, who: int) -> None:
        """It failed a call of this tenant: one tenant's failures in a row count once, they may be its own doing."""
        if who and who == self._blamed:
            return
        self._blamed = who
        self._failing = self._failing * (1.0 - WEIGHT) + WEIGHT
        if self._heard is not None:
            self._wake()

    def is_well(self, now: float) -> bool:
        """Whether it answers, so that a further try there is a call like any other."""
        return now < self._well_until and self._failing < SICK

    @property
    def is_unknown(self) -> bool:
        """Whether nothing was heard of it yet: it neither answered nor failed."""
        return not self._failing and self._well_until == float("-inf")

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

    async def heard(self, seconds: float) -> None:
        """Wait until it answered or failed, at most so long."""
        if self._heard is None:
            self._heard = asyncio.Event()
        with suppress(TimeoutError):  # then it is as unknown as before, and the caller decides
            async with asyncio.timeout(seconds):
                await self._heard.wait()

    def _wake(self) -> None:
        assert self._heard is not None  # noqa: S101 - somebody waits
        self._heard.set()
        self._heard = None
