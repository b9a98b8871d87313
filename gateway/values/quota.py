"""What each tenant may use of something: an amount at once, which refills over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

MOST_TENANTS: Final = 10_000


class Quota:
    """`most` at once, and `refill` a second. Memory is bounded: who has all of it is forgotten."""

    def __init__(self, clock: Callable[[], float], most: float, refill: float) -> None:
        self._clock, self._most, self._refill = clock, most, refill
        self._left: dict[int, tuple[float, float]] = {}

    def left(self, tenant_id: int) -> float:
        left, at = self._left.get(tenant_id, (self._most, 0.0))
        return min(self._most, left + (self._clock() - at) * self._refill)

    def spend(self, tenant_id: int, amount: float) -> None:
        if len(self._left) >= MOST_TENANTS:
            self._left = {
                tenant: kept for tenant, kept in self._left.items() if self.left(tenant) < self._most
            }
        self._left[tenant_id] = (self.left(tenant_id) - amount, self._clock())
