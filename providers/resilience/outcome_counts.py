"""Successes and failures of one deployment in the last ten seconds, and the failures by tenant. Pure."""

from __future__ import annotations

from typing import Final

from providers.resilience import affected_tenants

RING_S: Final = 10


class OutcomeCounts:
    """A ring of one-second slots. Cost of a success: two list accesses."""

    __slots__ = ("_blamed", "_failures", "_seconds", "_successes")

    def __init__(self) -> None:
        self._seconds = [-1] * RING_S
        self._successes = [0] * RING_S
        self._failures = [0] * RING_S
        self._blamed: list[dict[int, int] | None] = [None] * RING_S

    def succeeded(self, now: float) -> None:
        second = int(now)
        slot = second % RING_S
        if self._seconds[slot] != second:
            self._begin(slot, second)
        self._successes[slot] += 1

    def failed(self, now: float, who: int) -> None:
        """Count a failure of this tenant's call; 0: of no tenant."""
        slot = self._slot(now)
        self._failures[slot] += 1
        blamed = self._blamed[slot]
        if blamed is None:
            blamed = self._blamed[slot] = {}
        affected_tenants.add(blamed, who)

    def counts(self, now: float) -> tuple[int, int]:
        """Return the calls that were judged in the last ten seconds, and how many of them failed."""
        live = self._live(now)
        failures = sum(self._failures[slot] for slot in live)
        return failures + sum(self._successes[slot] for slot in live), failures

    def blamed(self, now: float) -> dict[int, int]:
        """Return the failures of the last ten seconds by tenant."""
        return affected_tenants.together(self._blamed[slot] for slot in self._live(now))

    def forget(self) -> None:
        self._seconds = [-1] * RING_S

    def _live(self, now: float) -> list[int]:
        oldest = int(now) - RING_S
        return [slot for slot in range(RING_S) if self._seconds[slot] > oldest]

    def _slot(self, now: float) -> int:
        second = int(now)
        slot = second % RING_S
        if self._seconds[slot] != second:
            self._begin(slot, second)
        return slot

    def _begin(self, slot: int, second: int) -> None:
        self._seconds[slot] = second
        self._successes[slot] = self._failures[slot] = 0
        self._blamed[slot] = None
