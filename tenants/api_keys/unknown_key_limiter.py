"""Unknown keys from one address: after MOST of them in WINDOW_S, prefixes that do not exist are not looked up.

Each would cost the database a query. Callers with a key are still served, so a stranger behind the same address does
not affect them (tenants/api_keys/known_prefixes.py). Bounded: with too many addresses the one quiet for longest goes.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from cachetools import FIFOCache

from tenants.addresses import origin

MOST = 100
WINDOW_S = 10.0
CAPACITY = 10_000


class UnknownKeyLimiter:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # By origin: the window's end, and its count.
        self._seen: FIFOCache[str, tuple[float, int]] = FIFOCache(CAPACITY)

    def __len__(self) -> int:
        return len(self._seen)

    def are_too_many(self, address: str) -> bool:
        """Return whether this address has sent too many unknown keys lately."""
        return bool(self._seen) and self.left_s(address) > 0

    def left_s(self, address: str) -> float:
        """Return the seconds until it may send another one; 0 or less: it may now."""
        ends, count = self._seen.get(origin(address), (0.0, 0))
        return ends - self._clock() if count >= MOST else 0.0

    def record(self, address: str) -> None:
        """Count an unknown key."""
        source, now = origin(address), self._clock()
        ends, count = self._seen.get(source, (0.0, 0))
        if ends <= now:
            ends, count = now + WINDOW_S, 0
        self._seen[source] = (ends, count + 1)
