"""Successes and failures of one deployment in the last ten seconds, and the failures by tenant. Pure."""

from __future__ import annotations

from typing import Final

from providers.resilience import affected_tenants

RING_S: Final = 10


class OutcomeCounts:
    """A ring of one-second slots. Cost of a success: two list accesses."""

    __slots__ = ("_failures", "_failures_by_tenant", "_seconds", "_successes")

    def __init__(self) -> None:
        self._seconds = [-1] * RING_S
        self._successes = [0] * RING_S
        self._failures = [0] * RING_S
        self._failures_by_tenant: list[dict[int, int] | None] = [None] * RING_S

    def record_success(self, now: float) -> None:
        second = int(now)
        slot = second % RING_S
        if self._seconds[slot] != second:
            self._begin(slot, second)
        self._successes[slot] += 1

    def record_failure(self, now: float, tenant_id: int) -> None:
        """Count a failure of this tenant's call; 0: of no tenant."""
        slot = self._slot(now)
        self._failures[slot] += 1
        by_tenant = self._failures_by_tenant[slot]
        if by_tenant is None:
            by_tenant = self._failures_by_tenant[slot] = {}
        affected_tenants.add(by_tenant, tenant_id)

    def counts(self, now: float) -> tuple[int, int]:
        """Return the calls that were judged in the last ten seconds, and how many of them failed."""
        live = self._live(now)
        failures = sum(self._failures[slot] for slot in live)
        return failures + sum(self._successes[slot] for slot in live), failures

    def failures_by_tenant(self, now: float) -> dict[int, int]:
        """Return the failures of the last ten seconds by tenant."""
        return affected_tenants.sum_by_tenant(self._failures_by_tenant[slot] for slot in self._live(now))

    def reset(self) -> None:
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
        self._failures_by_tenant[slot] = None
