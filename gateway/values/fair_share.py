"""Counts what of something is taken, in all and by each tenant. Pure; a fraction of a microsecond a step."""

from __future__ import annotations


class FairShare:
    """`in_use` in all; a tenant that has taken nothing needs no memory. What is too much is the owner's rule."""

    __slots__ = ("_by_tenant", "in_use")

    def __init__(self) -> None:
        self.in_use = 0
        self._by_tenant: dict[int, int] = {}

    def of(self, tenant_id: int) -> int:
        """Return how much this tenant has taken."""
        return self._by_tenant.get(tenant_id, 0)

    def acquire(self, tenant_id: int, amount: int = 1) -> None:
        self.in_use += amount
        self._by_tenant[tenant_id] = self._by_tenant.get(tenant_id, 0) + amount

    def release(self, tenant_id: int, amount: int = 1) -> None:
        """Give back what was taken before. Raises KeyError for a tenant that has nothing."""
        left = self._by_tenant[tenant_id] - amount
        self.in_use -= amount
        if left:
            self._by_tenant[tenant_id] = left
        else:
            del self._by_tenant[tenant_id]
