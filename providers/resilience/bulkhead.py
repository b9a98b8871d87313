"""Limits the calls in flight at one place - an endpoint with a credential - so that a slow one leaves room. Pure.

A call whose place is full is sent elsewhere or refused at once; it never waits. Cost: two additions a call.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from gateway.values.fair_share import FairShare
from providers.resilience.retry_budget import RetryBudget
from providers.target import Target

SHARE = 0.75  # of all calls of the process, if there are several places
UNBOUNDED = sys.maxsize
LAST = 10

Place = tuple[str, str, str]


class Bulkhead(FairShare):
    """One place: its calls in flight, of all deployments there, and their limit."""

    __slots__ = ("budget", "limit")

    def __init__(self) -> None:
        super().__init__()
        self.limit = UNBOUNDED
        self.budget = RetryBudget()  # of further attempts there

    def has_room(self, who: int) -> bool:
        """Whether one more call of this tenant fits: the last tenth is for tenants with less than half of the limit."""
        if self.taken < self.limit - self.limit // LAST:
            return True
        if self.taken >= self.limit:
            return False
        return not who or self.of(who) < self.limit // 2


class Bulkheads:
    """`most` limits the process's concurrent calls, `each` those of one place; None: a share of `most`."""

    def __init__(self, most: int = UNBOUNDED, each: int | None = None) -> None:
        self._most, self._each = most, each
        self._by_place: dict[Place, Bulkhead] = {}
        self._by_target: dict[int, Bulkhead] = {}

    def get(self, target_id: int) -> Bulkhead | None:
        return self._by_target.get(target_id)

    def of(self, target: Target) -> Bulkhead:
        """Return the bulkhead of a target's place, created on first use."""
        bulkhead = self._by_target.get(target.id)
        if bulkhead is None:
            bulkhead = self._by_target[target.id] = self._by_place.setdefault(_place(target), Bulkhead())
            self._share_out()
        return bulkhead

    def renew(self, targets: Iterable[Target]) -> None:
        """Apply a changed catalog: `targets` is the complete list."""
        before, self._by_place, self._by_target = self._by_place, {}, {}
        for target in targets:
            place = _place(target)
            bulkhead = self._by_place.get(place)
            if bulkhead is None:
                bulkhead = self._by_place[place] = before.get(place) or Bulkhead()
            self._by_target[target.id] = bulkhead
        self._share_out()

    def _share_out(self) -> None:
        """Set the limit of every place; a single place may use all of the room."""
        limit = self._each
        if limit is None:
            limit = self._most if len(self._by_place) <= 1 else max(1, int(self._most * SHARE))
        for bulkhead in self._by_place.values():
            bulkhead.limit = min(limit, self._most)


def _place(target: Target) -> Place:
    """Return the endpoint with its credential."""
    return target.provider, target.base_url, target.secret.reveal()
