"""Which deployments do far worse than their peers, and which only had bad luck."""

from __future__ import annotations

from bisect import bisect
from itertools import accumulate
from math import comb
from random import Random

import pytest

from providers.resilience.outlier_detection import Record, worst


def failing(*rates, calls=100):
    return [Record(id=n, calls=calls, failures=round(calls * rate)) for n, rate in enumerate(rates)]


def slow(*seconds, samples=60):
    return [Record(id=n, calls=100, latencies=[each] * samples) for n, each in enumerate(seconds)]


@pytest.mark.parametrize("rates", [(0.4, 0.0), (0.45, 0.05, 0.1), (0.3, 0.0, 0.0, 0.0, 0.02)])
def test_failing_deployment_is_the_outlier(rates):
    found = worst(failing(*rates))
    assert found is not None
    assert found[0] == 0


@pytest.mark.parametrize(
    "records",
    [
        failing(),
        failing(0.9),
        failing(0.9, 0.9, 0.9),  # an outage is not one deployment's fault
        failing(0.15, 0.0, 0.0),  # a small difference
        failing(0.3, 0.0, calls=19),  # too few calls to tell
        failing(0.6, 0.5, 0.1, 0.0),  # they all differ
        [Record(id=1, calls=100, failures=40), Record(id=2, calls=3)],  # no other deployment to compare with
    ],
)
def test_no_outlier_is_named_without_a_reason(records):
    assert worst(records) is None


@pytest.mark.parametrize(
    ("seconds", "named"),
    [((4.0, 1.0, 1.0), 0), ((0.9, 0.1, 0.1), None), ((2.5, 1.0, 1.0), None), ((4.0, 1.0), 0), ((9.0,), None)],
)
def test_three_times_and_a_second_slower_is_too_slow(seconds, named):
    found = worst(slow(*seconds))
    assert (found[0] if found is not None else None) == named


def test_few_latencies_name_no_outlier():
    assert worst(slow(9.0, 1.0, 1.0, samples=49)) is None


def test_equal_deployments_are_rarely_flagged_by_chance():
    """Three deployments that all fail one call in five, looked at ten thousand times."""
    dice = Random(5)
    shares = list(
        accumulate(comb(40, n) * 0.2**n * 0.8 ** (40 - n) for n in range(40))
    )  # of n failures or fewer
    named = 0
    for _ in range(10_000):
        records = [Record(id=n, calls=40, failures=bisect(shares, dice.random())) for n in range(3)]
        named += worst(records) is not None
    assert named < 20
