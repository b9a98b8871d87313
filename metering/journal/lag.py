"""How far the ledger is behind the journal: a count and an age. Pure; clock and positions are passed in."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from metering.journal.segments import Position

_GRAIN_S = 0.1  # ages, and counts while the ledger is catching up, are exact to this


class _Step(NamedTuple):
    written: Position  # where the journal ended when this call closed
    closed: int  # how many calls had closed before it
    at: float


class Lag:
    """Counts the calls that closed, and records position and time, in steps of a tenth of a second."""

    def __init__(self) -> None:
        self._closed = 0
        self._steps: deque[_Step] = deque()

    def count_closed(self, written: Position, now: float) -> None:
        """Count a call whose end has just been written, up to this position."""
        if not self._steps or now - self._steps[-1].at >= _GRAIN_S:
            self._steps.append(_Step(written, self._closed, now))
        self._closed += 1

    def note_shipped(self, shipped: Position, written: Position) -> None:
        """Note that the ledger has everything up to a position."""
        if shipped >= written:
            self._steps.clear()
        while len(self._steps) > 1 and self._steps[1].written <= shipped:
            self._steps.popleft()

    @property
    def records(self) -> int:
        """How many closed calls the ledger does not have yet."""
        return self._closed - self._steps[0].closed if self._steps else 0

    def oldest_s(self, now: float) -> float:
        """Return the age of the oldest of them, in seconds; 0 if there is none."""
        return max(0.0, now - self._steps[0].at) if self._steps else 0.0
