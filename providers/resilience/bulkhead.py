"""Limits the calls in flight at one endpoint with one credential, so that a slow one leaves room. Pure.

A call whose endpoint is full is sent elsewhere or refused at once; it never waits. Cost: two additions a call.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from gateway.values.fair_share import FairShare
from providers.resilience.retry_budget import RetryBudget
from providers.target import Target

SHARE = 0.75  # of all calls of the process, if there are several endpoints
UNBOUNDED = sys.maxsize
LAST = 10

EndpointKey = tuple[str, str, str]


class Bulkhead(FairShare):
    """One endpoint with one credential: its calls in flight, of all deployments there, and their limit."""

    __slots__ = ("budget", "limit")

    def __init__(self) -> None:
        super().__init__()
        self.limit = UNBOUNDED
        self.budget = RetryBudget()  # of further attempts there

    def has_room(self, tenant_id: int) -> bool:
        """Whether one more call of this tenant fits: the last tenth is for tenants with less than half of the limit."""
        if self.in_use < self.limit - self.limit // LAST:
            return True
        if self.in_use >= self.limit:
            return False
        return not tenant_id or self.of(tenant_id) < self.limit // 2


class Bulkheads:
    """`total` limits the concurrent calls of the process, `per_endpoint` those of one endpoint; None: a share of it."""

    def __init__(self, total: int = UNBOUNDED, per_endpoint: int | None = None) -> None:
        self._total, self._per_endpoint = total, per_endpoint
        self._by_endpoint: dict[EndpointKey, Bulkhead] = {}
        self._by_target: dict[int, Bulkhead] = {}

    def get(self, target_id: int) -> Bulkhead | None:
        return self._by_target.get(target_id)

    def for_target(self, target: Target) -> Bulkhead:
        """Return the bulkhead of a target's endpoint, created on first use."""
        bulkhead = self._by_target.get(target.id)
        if bulkhead is None:
            bulkhead = self._by_target[target.id] = self._by_endpoint.setdefault(
                _endpoint_key(target), Bulkhead()
            )
            self._set_limits()
        return bulkhead

    def update_targets(self, targets: Iterable[Target]) -> None:
        """Apply a changed catalog: `targets` is the complete list."""
        before, self._by_endpoint, self._by_target = self._by_endpoint, {}, {}
        for target in targets:
            endpoint = _endpoint_key(target)
            bulkhead = self._by_endpoint.get(endpoint)
            if bulkhead is None:
                bulkhead = self._by_endpoint[endpoint] = before.get(endpoint) or Bulkhead()
            self._by_target[target.id] = bulkhead
        self._set_limits()

    def _set_limits(self) -> None:
        """Set the limit of every endpoint; a single one may use all of the room."""
        limit = self._per_endpoint
        if limit is None:
            limit = self._total if len(self._by_endpoint) <= 1 else max(1, int(self._total * SHARE))
        for bulkhead in self._by_endpoint.values():
            bulkhead.limit = min(limit, self._total)


def _endpoint_key(target: Target) -> EndpointKey:
    """Return the endpoint with its credential."""
    return target.provider, target.base_url, target.secret.reveal()
