"""Does what Redis needs before it can decide: correct the date, load totals, wait, recover after a loss of data."""

from __future__ import annotations

import asyncio
import time
from typing import assert_never

from budgets.admission.interface import AdmissionUnavailable
from budgets.redis.commands import Prerequisite
from budgets.redis.recovery.recovery import Recovery
from budgets.redis.recovery.window_loader import WindowLoader
from budgets.redis.replies import InDoubt, NeedsRecovery, UnknownWindows, WindowEnded
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

    async def satisfy(self, reply: Prerequisite, want: ScopeRequest, deadline: float) -> None:
        """Return when a retry makes sense. Raises AdmissionUnavailable, also at the deadline (loop time)."""
        if asyncio.get_running_loop().time() >= deadline:
            raise AdmissionUnavailable
        match reply:
            case NeedsRecovery():
                await self._rebuilds.wait(want, deadline)
            case UnknownWindows():
                await self._learning.load(want, reply, deadline)
            case InDoubt():
                await asyncio.sleep(DOUBT_S)
            case WindowEnded():
                self.skew_s = reply.instant - time.time()
            case _:
                assert_never(reply)
