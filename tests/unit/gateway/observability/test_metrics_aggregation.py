from __future__ import annotations

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gateway.observability.metrics_aggregation import Family, families_of, growing, merged, rendered


def process(calls: dict[str, int], lag: float, state: float) -> list[Family]:
    """Return what a process sends to the supervisor."""
    registry = CollectorRegistry()
    counter = Counter("gateway_requests", "Calls", ["model"], registry=registry)
    times = Histogram("gateway_overhead_seconds", "Time", buckets=(0.1, 1), registry=registry)
    for model, number in calls.items():
        counter.labels(model).inc(number)
        for _ in range(number):
            times.observe(0.5)
    Gauge("gateway_inflight_requests", "Running", registry=registry).set(2)
    Gauge("gateway_event_loop_lag_seconds", "Late", registry=registry).set(lag)
    Gauge("gateway_unsettled_usd", "Money", ["deployment"], registry=registry).labels("d").set(3)
    Gauge("gateway_deployment_state", "State", ["deployment"], registry=registry).labels("d").set(state)
    packed = msgspec.msgpack.encode(families_of(registry))
    return msgspec.msgpack.decode(packed, type=list[Family])


def lines(families: list[Family]) -> set[str]:
    return set(rendered(families).decode().splitlines())


def test_counters_and_histograms_are_summed_label_by_label():
    text = lines(merged((process({"a": 2, "b": 1}, 0, 1), process({"a": 3}, 0, 1))))
    assert {
        'gateway_requests_total{model="a"} 5.0',
        'gateway_requests_total{model="b"} 1.0',
        'gateway_overhead_seconds_bucket{le="0.1"} 0.0',
        'gateway_overhead_seconds_bucket{le="1.0"} 6.0',
        'gateway_overhead_seconds_bucket{le="+Inf"} 6.0',
        "gateway_overhead_seconds_count 6.0",
        "gateway_overhead_seconds_sum 3.0",
    } <= text


def test_a_gauge_is_the_sum_or_the_worst_worker():
    text = lines(merged((process({}, 0.2, 1), process({}, 0.1, 0.5))))
    assert "gateway_inflight_requests 4.0" in text
    assert "gateway_event_loop_lag_seconds 0.2" in text
    assert 'gateway_deployment_state{deployment="d"} 0.5' in text
    assert 'gateway_unsettled_usd{deployment="d"} 3.0' in text  # both read the same ledger


def test_of_a_worker_that_has_ended_only_what_grows_is_kept():
    text = lines(merged((growing(process({"a": 2}, 9, 0)), process({"a": 1}, 0.1, 1))))
    assert 'gateway_requests_total{model="a"} 3.0' in text
    assert "gateway_inflight_requests 2.0" in text
    assert "gateway_event_loop_lag_seconds 0.1" in text
    assert 'gateway_deployment_state{deployment="d"} 1.0' in text


def test_metrics_of_one_process_equal_its_own_exposition():
    registry = CollectorRegistry()
    Counter("calls", 'Of "all" kinds\nof models', ["model"], registry=registry).labels('a"\n').inc()
    assert rendered(families_of(registry)) == generate_latest(registry)
