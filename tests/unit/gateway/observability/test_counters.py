from __future__ import annotations

import sys

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest

from gateway.observability.counters import Distribution, Tally
from gateway.observability.metrics import Metrics
from gateway.observability.metrics_aggregation import families_of, merged, rendered
from tests.support.books.calls import closed, opened

BOUNDS = (0.005, 0.5, 1, 300)
VALUES = (0.0, 0.005, 0.00500001, 0.4, 1, 1.5, 300, 301, 1e9)


@pytest.fixture(autouse=True)
def no_times() -> None:
    disable_created_metrics()


def test_a_tally_reads_as_the_librarys_counter():
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tally = Tally("calls", "Calls", ("model", "status"), ours)
    counter = Counter("calls", "Calls", ("model", "status"), registry=theirs)
    for values, amount in (
        (("a", "ok"), 1),
        (("b", 'quo"ted\n'), 0.25),
        (("a", "ok"), 2),
        (("a", "error"), 0),
    ):
        tally.add(values, amount)
        counter.labels(*values).inc(amount)
    assert generate_latest(ours) == generate_latest(theirs)


def test_a_distribution_reads_as_the_librarys_histogram():
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    distribution = Distribution("seconds", "Whole call", BOUNDS, ours)
    histogram = Histogram("seconds", "Whole call", buckets=BOUNDS, registry=theirs)
    assert generate_latest(ours) == generate_latest(theirs), "before anything was counted"
    for value in VALUES:
        distribution.observe(value)
        histogram.observe(value)
    assert generate_latest(ours) == generate_latest(theirs)


def test_several_processes_are_summed_as_before():
    parts = []
    for _ in range(2):
        metrics = Metrics(registry := CollectorRegistry())
        metrics.observe(opened("req_1"), closed("req_1"))
        parts.append(families_of(registry))
    text = rendered(merged(parts)).decode()
    assert 'status="ok"} 2.0\n' in text
    assert "gateway_overhead_seconds_count 2.0\n" in text


def test_a_call_is_counted_in_few_steps():
    """Counted in functions that are called: 42 with a lock for each number."""
    metrics = Metrics(CollectorRegistry())
    ending = (opened("req_1"), closed("req_1"))
    metrics.observe(*ending)  # what is done once only
    called = []
    sys.setprofile(lambda _frame, event, what: called.append(what) if event.endswith("call") else None)
    try:
        metrics.observe(*ending)
    finally:
        sys.setprofile(None)
    assert len(called) <= 20  # 17 when this was written
