"""Unknown keys from one address: after MOST of them in WINDOW_S, keys that are not remembered are not looked up.

Each would cost the database a query. Keys in use go on, so a stranger behind the same address disturbs nobody who is
at work. Bounded: the oldest half is forgotten when there are too many addresses.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from tenants.addresses import origin
from tenants.errors import TooManyMisses

MOST = 100
WINDOW_S = 10.0
CAPACITY = 10_000


class KeyMisses:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[float, int]] = {}  # by origin: the window's end, how many in it

    def __len__(self) -> int:
        return len(self._seen)

    def check(self, address: str) -> None:
        """Raise TooManyMisses if this address may not ask for another unknown key now."""
        ends, count = self._seen.get(origin(address), (0.0, 0))
        left_s = ends - self._clock()
        if count >= MOST and left_s > 0:
            raise TooManyMisses(left_s)

    def note(self, address: str) -> None:
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
