"""Reads a response that will come anyway for a while after the client left, so that its usage is known exactly.

The request's own task continues, with its slot and its share of memory, so a drain waits for it and may cut it as
any call. A call whose client stays costs one small object only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.values.fair_share import FairShare
from providers.resilience.plan import Asker

MOST: Final = 256  # of one process
TENANT_SHARE: Final = 0.25


class ReadingOn:
    """How many calls of this process continue without their client, and for how many seconds each may."""

    def __init__(self, seconds: float, most: int = MOST) -> None:
        self.seconds, self._most = seconds, most
        self._share = max(1, int(most * TENANT_SHARE))
        self._calls = FairShare()

    @property
    def taken(self) -> int:
        """How many calls continue now."""
        return self._calls.taken

    def take(self, tenant_id: int) -> bool:
        """Take a slot, if one is free; one tenant gets a quarter of them."""
        if self.seconds <= 0 or self.taken >= self._most or self._calls.of(tenant_id) >= self._share:
            return False
        self._calls.take(tenant_id)
        return True

    def give(self, tenant_id: int) -> None:
        self._calls.give_back(tenant_id)


class ReadOn:
    """For one call; used when its client leaves. `is_worth` returns whether there is an end that will come anyway."""

    __slots__ = ("_asker", "_is_taken", "_room", "_tenant_id", "is_worth")

    def __init__(self, room: ReadingOn, tenant_id: int, asker: Asker, is_worth: Callable[[], bool]) -> None:
        self._room, self._tenant_id, self._asker, self.is_worth = room, tenant_id, asker, is_worth
        self._is_taken = False

    def begin(self) -> float:
        """Return for how many seconds the call may continue; 0: it ends now."""
        if self._is_taken or not self.is_worth() or not self._room.take(self._tenant_id):
            return 0.0
        self._is_taken = self._asker.has_left = True
        return self._room.seconds

    def end(self) -> None:
        """Release the slot. May be called when none was taken."""
        if self._is_taken:
            self._is_taken = False
            self._room.give(self._tenant_id)
