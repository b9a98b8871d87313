"""Counters and histograms of the event loop: plain numbers in dicts and lists, turned into samples when scraped.

The library's own take a lock and several calls for each number, since any thread may count with them. Here only the
loop counts; any thread may read.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from typing_extensions import override


class Tally(Collector):
    """A counter by label values; a set of values exists from its first count on. Counting is one lookup."""

    def __init__(self, name: str, text: str, labels: Sequence[str], registry: CollectorRegistry) -> None:
        self._head = (name, text)
        self._labels = tuple(labels)
        self._counted: dict[tuple[str, ...], float] = {}
        registry.register(self)

    def add(self, values: tuple[str, ...], amount: float = 1) -> None:
        """Add `amount`, never less than 0, for these label values, in their order."""
        counted = self._counted
        counted[values] = counted.get(values, 0) + amount

    @override
    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(*self._head, labels=self._labels)
        for values, counted in list(self._counted.items()):  # the loop may add to it concurrently
            family.add_metric(values, counted)
        yield family


class Distribution(Collector):
    """A histogram without labels. `bounds` ascend; each is the inclusive upper bound of its bucket."""

    def __init__(self, name: str, text: str, bounds: Sequence[float], registry: CollectorRegistry) -> None:
        self._head = (name, text)
        self._bounds = [float(bound) for bound in bounds]
        self._counts = [0] * (len(self._bounds) + 1)  # the last one: above every bound
        self._sum = 0.0
        registry.register(self)

    def observe(self, value: float) -> None:
        """Count a value of 0 or more."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    @override
    def collect(self) -> Iterator[Metric]:
        names = map(floatToGoString, (*self._bounds, float("inf")))
        buckets = list(zip(names, accumulate(self._counts), strict=True))
        yield HistogramMetricFamily(*self._head, buckets=buckets, sum_value=self._sum)
