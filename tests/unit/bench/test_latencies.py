from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.latencies import Latencies


def latencies(samples: list[int]) -> Latencies:
    found = Latencies()
    for sample in samples:
        found.add_ns(sample)
    return found


def test_no_samples_have_no_percentile():
    assert Latencies().percentile_ms(50) is None


def test_percentiles_of_a_hundred_samples_match_the_definition():
    found = latencies([number * 1_000_000 for number in range(100, 0, -1)])
    assert [found.percentile_ms(p) for p in (0, 1, 50, 99, 99.5, 100)] == [1, 1, 50, 99, 100, 100]


def test_a_single_slow_answer_is_in_the_highest_percentile_only():
    found = latencies([1_000_000] * 99 + [900_000_000])
    assert (found.percentile_ms(99), found.percentile_ms(100)) == (1.0, 900.0)


def test_samples_can_be_added_after_a_percentile_was_read():
    found = latencies([5_000_000])
    assert found.percentile_ms(100) == 5.0
    found.add_ns(7_000_000)
    assert (found.percentile_ms(100), len(found)) == (7.0, 2)


@pytest.mark.parametrize("percent", [-1, 100.1])
def test_an_impossible_percentile_is_refused(percent: float):
    with pytest.raises(ValueError, match=str(percent)):
        latencies([1]).percentile_ms(percent)


@given(samples=st.lists(st.integers(0, 10**12), min_size=1, max_size=200), percent=st.integers(1, 100))
def test_exactly_that_share_of_the_samples_is_not_slower(samples: list[int], percent: int):
    value = latencies(samples).percentile_ms(percent)
    assert value is not None
    faster = sum(sample / 1e6 < value for sample in samples)
    not_slower = sum(sample / 1e6 <= value for sample in samples)
    assert faster * 100 < len(samples) * percent <= not_slower * 100
