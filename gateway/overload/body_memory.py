"""How many bytes of bodies this process keeps in memory at a time, and which tenant is refused (503 `overloaded`).

Pure counting, no I/O. Small bodies are not counted: `server.max_inflight` bounds what they can take together.
"""

from __future__ import annotations

from gateway.overload.exceptions import Overloaded
from gateway.values.fair_share import FairShare

SMALL = 64 * 1024
TENANT_SHARE = 0.5


class BodyMemoryLease:
    """What one request may keep, from before its body is read until its response has been sent."""

    __slots__ = ("_memory", "_size", "_tenant_id")

    def __init__(self, memory: BodyMemory, tenant_id: int) -> None:
        self._memory, self._tenant_id, self._size = memory, tenant_id, 0

    def grow_to(self, size: int) -> None:
        """Reserve `size` bytes in all. Raises Overloaded when there is no room for them."""
        if size > SMALL and size > self._size:
            self._memory.acquire(self._tenant_id, size - self._size)
            self._size = size

    def release(self) -> None:
        if self._size:
            self._memory.release(self._tenant_id, self._size)
            self._size = 0


class BodyMemory:
    """`total` bytes for all, half of it per tenant, but for each tenant at least the `largest` possible body."""

    def __init__(self, total: int, largest: int) -> None:
        self._total = max(total, largest)
        self._share = max(int(total * TENANT_SHARE), largest)
        self._bytes = FairShare()

    @property
    def in_use(self) -> int:
        """How many bytes are in use."""
        return self._bytes.in_use

    def lease(self, tenant_id: int) -> BodyMemoryLease:
        return BodyMemoryLease(self, tenant_id)

    def acquire(self, tenant_id: int, size: int) -> None:
        """Called by BodyMemoryLease only. Raises Overloaded."""
        if self.in_use + size > self._total or self._bytes.of(tenant_id) + size > self._share:
            raise Overloaded("bodies")
        self._bytes.acquire(tenant_id, size)

    def release(self, tenant_id: int, size: int) -> None:
        """Release bytes; called by BodyMemoryLease only."""
        self._bytes.release(tenant_id, size)
