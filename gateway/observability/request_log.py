"""The request log, calling side: requests without a row in the ledger wait here until a background task writes them.

A call never waits for it: the cost is one check of a count and, rarely, a small value. A flood costs a count: each kind
of refusal has a rate at which its calls are kept; calls above it become one row with the number of the others.
Bounded in memory, also while the database is away; what does not fit is counted in
`gateway_request_log_dropped_total`. One process, one loop.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec
from cachetools import LRUCache

from metering.request_log.entry import Logged

MOST_WAITING: Final = 2_000  # rows, of 2 kB at most
MOST_ROLLED: Final = 200  # kinds that are only counted
MOST_KINDS: Final = 5_000  # whose recent count is remembered
BATCH: Final = 250


class Pace(NamedTuple):
    """A burst, and a sustained rate per second."""

    burst: float
    per_s: float


KEPT: Final = Pace(200, 5.0)  # calls of one key with the same response status and code
STRANGERS: Final = Pace(50, 0.5)  # the same for all calls without a known key
ANSWERED: Final = Pace(20, 0.2)  # lists, simulations and replays, which were not refused
ALL: Final = Pace(2_000, 100.0)


class Kind(NamedTuple):
    """What calls that are counted together have in common. `key_id`: 0 for unknown keys, whatever key was sent."""

    tenant_id: int
    key_id: int
    status: int
    code: str
    endpoint: str = ""

    @property
    def pace(self) -> Pace:
        if not self.tenant_id:
            return STRANGERS
        return KEPT if self.code else ANSWERED


class RequestLog:
    """`dropped` is called for calls without a row: the reason (rolled_up, full or unwritable) and how many."""

    def __init__(
        self,
        dropped: Callable[[str, int], object],
        clock: Callable[[], float] = time.monotonic,
        *,
        is_off: bool = False,
    ) -> None:
        self.dropped, self._clock, self._is_off = dropped, clock, is_off
        self._rows: deque[Logged] = deque()
        self._rolled: dict[Kind, Logged] = {}
        # By kind: how many may be kept, as of when.
        self._left: LRUCache[Kind, tuple[float, float]] = LRUCache(MOST_KINDS)
        self._left_of_all = (ALL.burst, clock())

    def __len__(self) -> int:
        return len(self._rows) + len(self._rolled)

    def note(self, kind: Kind, make: Callable[[], Logged]) -> None:
        """Keep a call, or count it if there are too many of its kind. `make` is called only for what is kept."""
        if self._is_off:
            return
        if len(self._rows) < MOST_WAITING and self._may_keep(kind):
            self._rows.append(make())
            return
        known = self._rolled.get(kind)
        if known is not None:
            self._rolled[kind] = msgspec.structs.replace(known, alike=known.alike + 1, until=time.time())
            self.dropped("rolled_up", 1)
        elif len(self._rolled) < MOST_ROLLED:
            self._rolled[kind] = make()
        else:
            self.dropped("full", 1)

    def take(self) -> list[Logged]:
        """Return some rows to be written: single ones first, then those that stand for many."""
        if self._rows:
            return [self._rows.popleft() for _ in range(min(BATCH, len(self._rows)))]
        rolled, self._rolled = list(self._rolled.values()), {}
        return rolled

    def give_back(self, rows: Sequence[Logged]) -> None:
        """Put back what could not be written, as far as there is room."""
        room = max(0, MOST_WAITING - len(self._rows))
        self._rows.extendleft(reversed(rows[:room]))
        if lost := sum(1 + row.alike for row in rows[room:]):
            self.dropped("full", lost)

    def _may_keep(self, kind: Kind) -> bool:
        now, pace = self._clock(), kind.pace
        left = _left(self._left.get(kind, (pace.burst, now)), pace, now)
        of_all = _left(self._left_of_all, ALL, now)
        if left < 1 or of_all < 1:
            return False
        self._left[kind], self._left_of_all = (left - 1, now), (of_all - 1, now)
        return True


def _left(known: tuple[float, float], pace: Pace, now: float) -> float:
    left, at = known
    return min(pace.burst, left + (now - at) * pace.per_s)
