"""Reads a response that will come anyway for a while after the client disconnected, so that its usage is known exactly.

The request's own task continues, with its slot and its share of memory, so a drain waits for it and may cut it as
any call. A call whose client stays costs one small object only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.values.fair_share import FairShare
from providers.resilience.plan import CallProgress

MOST: Final = 256  # of one process
TENANT_SHARE: Final = 0.25


class ReadingOn:
    """How many calls of this process continue without their client, and for how many seconds each may."""

    def __init__(self, seconds: float, max_calls: int = MOST) -> None:
        self.seconds, self._max_calls = seconds, max_calls
        self._share = max(1, int(max_calls * TENANT_SHARE))
        self._calls = FairShare()

    @property
    def in_use(self) -> int:
        """How many calls continue now."""
        return self._calls.in_use

    def acquire(self, tenant_id: int) -> bool:
        """Take a slot, if one is free; one tenant gets a quarter of them."""
        if self.seconds <= 0 or self.in_use >= self._max_calls or self._calls.of(tenant_id) >= self._share:
            return False
        self._calls.acquire(tenant_id)
        return True

    def release(self, tenant_id: int) -> None:
        self._calls.release(tenant_id)


class ReadOn:
    """For one call; used when its client disconnects. `is_worth` returns whether an end will come anyway."""

    __slots__ = ("_holds_slot", "_progress", "_slots", "_tenant_id", "is_worth")

    def __init__(
        self, slots: ReadingOn, tenant_id: int, progress: CallProgress, is_worth: Callable[[], bool]
    ) -> None:
        self._slots, self._tenant_id, self._progress, self.is_worth = slots, tenant_id, progress, is_worth
        self._holds_slot = False

    def begin(self) -> float:
        """Return for how many seconds the call may continue; 0: it ends now."""
        if self._holds_slot or not self.is_worth() or not self._slots.acquire(self._tenant_id):
            return 0.0
        self._holds_slot = self._progress.client_disconnected = True
        return self._slots.seconds

    def end(self) -> None:
        """Release the slot. May be called when none was taken."""
        if self._holds_slot:
            self._holds_slot = False
            self._slots.release(self._tenant_id)
