"""Does what Redis needs before it can decide: correct the date, load totals, wait, recover after a loss of data."""

from __future__ import annotations

import asyncio
import time

from budgets.admission.interface import AdmissionUnavailable
from budgets.redis.recovery.recovery import Recovery
from budgets.redis.recovery.window_loader import WindowLoader
from budgets.redis.replies import ScriptReply
from budgets.redis.scope_request import ScopeRequest

DOUBT_S = 0.02  # between two checks whether a total still includes calls that are also counted separately


class Prerequisites:
    """`skew_s`: how far the clock of Redis is ahead of this machine's, by the last reply "window"."""

    def __init__(self, rebuilds: Recovery, learning: WindowLoader) -> None:
        self._rebuilds, self._learning = rebuilds, learning
        self.skew_s = 0.0

    async def aclose(self) -> None:
        await self._rebuilds.aclose()
        await self._learning.aclose()

    async def satisfy(self, reply: ScriptReply, want: ScopeRequest, deadline: float) -> None:
        """Return when a retry makes sense. Raises AdmissionUnavailable, also at the deadline (loop time)."""
        if asyncio.get_running_loop().time() >= deadline:
            raise AdmissionUnavailable
        if reply.status == "rebuild":
            await self._rebuilds.wait(want, deadline)
        elif reply.status == "unknown":
            await self._learning.load(want, reply, deadline)
        elif reply.status == "doubt":
            await asyncio.sleep(DOUBT_S)
        elif reply.status == "window":
            self.skew_s = reply.instant - time.time()
        else:
            raise AdmissionUnavailable
