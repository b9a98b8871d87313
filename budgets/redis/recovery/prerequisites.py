"""Does what the store asks for before it can decide: a date, totals of the ledger, patience, a start after a loss."""

from __future__ import annotations

import asyncio
import time

from budgets.admission.interface import AdmissionUnavailable
from budgets.redis.recovery.recovery import Recovery
from budgets.redis.recovery.window_loader import WindowLoader
from budgets.redis.replies import ScriptReply
from budgets.redis.scope_request import ScopeRequest

DOUBT_S = 0.02  # between two looks whether a total still counts calls that are also counted on their own


class Prerequisites:
    """`skew_s` is how far the store's clock is ahead of this machine's, as far as that ever mattered."""

    def __init__(self, rebuilds: Recovery, learning: WindowLoader) -> None:
        self._rebuilds, self._learning = rebuilds, learning
        self.skew_s = 0.0

    async def aclose(self) -> None:
        await self._rebuilds.aclose()
        await self._learning.aclose()

    async def satisfy(self, reply: ScriptReply, want: ScopeRequest, deadline: float) -> None:
        """Return when it is worth asking again. Raises AdmissionUnavailable, also at the deadline (loop time)."""
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
