"""How many calls this process serves at a time, and which it refuses first above that (503 `overloaded`).

The cap follows the event loop: it shrinks by a tenth each second in which the loop is late, and grows back slowly.
Pure counting, no I/O; costs a microsecond per call. docs/workers.md describes how the numbers were found.
"""

from __future__ import annotations

import asyncio

from gateway.overload.exceptions import Overloaded
from gateway.values.fair_share import FairShare

LATE_S = 0.050  # mean lateness of the loop in one second, above which the cap shrinks
SHRINK = 0.9
ADJUST_S = 1.0
BATCH_SHARE = 0.8  # the rest is reserved for interactive keys
NEARLY_FULL = 0.9  # above this share no tenant gets more than its share
TENANT_SHARE = 0.5


class ConcurrencySlot:
    """The right to be served, until released; releasing it twice has no effect."""

    __slots__ = ("_shedder", "_tenant_id")

    def __init__(self, shedder: LoadShedder, tenant_id: int) -> None:
        self._shedder: LoadShedder | None = shedder
        self._tenant_id = tenant_id

    def release(self) -> None:
        shedder, self._shedder = self._shedder, None
        if shedder is not None:
            shedder.release_slot(self._tenant_id)


class LoadShedder(FairShare):
    """`ceiling` is the maximum number of calls at a time; the cap moves between a twentieth of it and it."""

    def __init__(self, ceiling: int) -> None:
        super().__init__()
        self.ceiling = self.cap = ceiling
        self.floor = max(1, ceiling // 20)
        self.lag_s = 0.0  # mean of the last full second
        self._growth = max(1, ceiling // 200)
        self._lags: list[float] = []
        self._adjusted_at: float | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    def acquire_slot(self, tenant_id: int, *, is_batch: bool) -> ConcurrencySlot:
        """Return a slot. Raises Overloaded with the reason."""
        reason = self._refusal(tenant_id, is_batch=is_batch)
        if reason:
            raise Overloaded(reason)
        self.acquire(tenant_id)
        self._idle.clear()
        return ConcurrencySlot(self, tenant_id)

    def release_slot(self, tenant_id: int) -> None:
        """Take a slot back; called by ConcurrencySlot only."""
        self.release(tenant_id)
        if not self.in_use:
            self._idle.set()

    def observe_lag(self, lag_s: float, now: float) -> None:
        """Record the current lateness of the loop; once a second the cap moves."""
        self._lags.append(lag_s)
        if self._adjusted_at is None:
            self._adjusted_at = now
        if now - self._adjusted_at < ADJUST_S:
            return
        self.lag_s = sum(self._lags) / len(self._lags)
        self._lags.clear()
        self._adjusted_at = now
        if self.lag_s > LATE_S:
            self.cap = max(self.floor, int(self.cap * SHRINK))
        else:
            self.cap = min(self.ceiling, self.cap + self._growth)

    async def wait_until_idle(self) -> None:
        """Return when every slot is released: the last byte of every response has been passed on."""
        await self._idle.wait()

    def _refusal(self, tenant_id: int, *, is_batch: bool) -> str:
        in_use = self.in_use
        if in_use >= self.cap:
            return "full"
        if is_batch and in_use >= self.cap * BATCH_SHARE:
            return "batch"
        if in_use >= self.cap * NEARLY_FULL and self.of(tenant_id) >= max(1, self.cap * TENANT_SHARE):
            return "tenant_share"
        return ""
