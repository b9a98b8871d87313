"""Adds up the metrics of several processes: a scrape returns the whole machine, whichever worker responds.

Counters and histograms are summed, ended workers included; gauges too, or their worst value is taken. Pure; a few
milliseconds a scrape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric

Labels = tuple[tuple[str, str], ...]

_GROWING = frozenset({"counter", "histogram", "summary"})
_WORST_IS_LEAST = frozenset(
    {"gateway_deployment_state", "gateway_store_up", "process_start_time_seconds", "process_max_fds"}
)
_WORST_IS_MOST = frozenset(
    {
        "gateway_event_loop_lag_seconds",
        "gateway_journal_oldest_unshipped_seconds",
        "gateway_job_failures",  # each worker reads the same rows
        "gateway_job_interval_seconds",
        "gateway_job_last_success_timestamp_seconds",
        "gateway_unsettled_calls",  # each worker reads the same ledger
        "gateway_unsettled_usd",
        "python_info",
    }
)


class Family(msgspec.Struct, array_like=True):
    """One metric with all its samples: (name, labels, value)."""

    name: str
    text: str
    kind: str
    samples: list[tuple[str, Labels, float]]

    @property
    def is_growing(self) -> bool:
        return self.kind in _GROWING


def families_of(registry: CollectorRegistry) -> list[Family]:
    """Return the metrics of one process."""
    return [
        Family(
            metric.name,
            metric.documentation,
            metric.type,
            [(sample.name, tuple(sample.labels.items()), sample.value) for sample in metric.samples],
        )
        for metric in registry.collect()
    ]


def growing(families: Iterable[Family]) -> list[Family]:
    """Return what must never fall: it is kept after a worker's end, so that its end is no counter reset."""
    return [family for family in families if family.is_growing]


def merged(parts: Iterable[Iterable[Family]]) -> list[Family]:
    """Return the sums over several processes."""
    heads: dict[str, Family] = {}
    values: dict[str, dict[tuple[str, Labels], float]] = {}
    for part in parts:
        for family in part:
            head, sums = heads.setdefault(family.name, family), values.setdefault(family.name, {})
            add = _rule_of(head)
            for name, labels, value in family.samples:
                before = sums.get((name, labels))
                sums[name, labels] = value if before is None else add(before, value)
    return [
        Family(
            name, head.text, head.kind, [(sample, labels, v) for (sample, labels), v in values[name].items()]
        )
        for name, head in heads.items()
    ]


def rendered(families: Iterable[Family]) -> bytes:
    """Return the Prometheus text format."""
    return generate_latest(_Collected(families))


class _Collected:
    """Has the registry interface that the renderer needs."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        for family in self._families:
            metric = Metric(family.name, family.text, family.kind)
            for name, labels, value in family.samples:
                metric.add_sample(name, dict(labels), value)
            yield metric


def _rule_of(family: Family) -> Callable[[float, float], float]:
    if family.name in _WORST_IS_LEAST:
        return min
    if family.name in _WORST_IS_MOST:
        return max
    return _sum


def _sum(one: float, other: float) -> float:
    return one + other
