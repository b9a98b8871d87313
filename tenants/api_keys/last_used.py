"""When keys were last used: recorded in memory, written in batches, so that a call never waits for it."""

from __future__ import annotations


class LastUsedRecorder:
    """`note` on the hot path; `take` returns what was recorded since."""

    def __init__(self) -> None:
        self._last: dict[int, float] = {}

    def record(self, key_id: int, at: float) -> None:
        self._last[key_id] = at

    def take(self) -> dict[int, float]:
        noted, self._last = self._last, {}
        return noted
