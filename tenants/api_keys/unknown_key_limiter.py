"""Unknown keys from one address: after MOST of them in WINDOW_S, prefixes that do not exist are not looked up.

Each would cost the database a query. Who holds a key goes on, so a stranger behind the same address disturbs nobody
(tenants/api_keys/known_prefixes.py). Bounded: the oldest half is forgotten when there are too many addresses.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from tenants.addresses import origin

MOST = 100
WINDOW_S = 10.0
CAPACITY = 10_000


class UnknownKeyLimiter:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[float, int]] = {}  # by origin: the window's end, how many in it

    def __len__(self) -> int:
        return len(self._seen)

    def are_too_many(self, address: str) -> bool:
        """Tell whether this address has asked for too many unknown keys lately."""
        return bool(self._seen) and self.left_s(address) > 0

    def left_s(self, address: str) -> float:
        """Return for how long it may not ask for another one; 0 or less: it may."""
        ends, count = self._seen.get(origin(address), (0.0, 0))
        return ends - self._clock() if count >= MOST else 0.0

    def record(self, address: str) -> None:
        """Count a key that was not known."""
        who, now = origin(address), self._clock()
        ends, count = self._seen.get(who, (0.0, 0))
        if ends <= now:
            self._seen.pop(who, None)  # to the end of the order: it is among the youngest again
            ends, count = now + WINDOW_S, 0
            if len(self._seen) >= CAPACITY:
                for old in list(self._seen)[: CAPACITY // 2]:
                    del self._seen[old]
        self._seen[who] = (ends, count + 1)
