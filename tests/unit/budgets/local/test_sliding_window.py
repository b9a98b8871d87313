from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from budgets.local.sliding_window import SlidingWindow

LIMIT = 20


def admitted(ring: SlidingWindow, arrivals: Iterator[float] | list[float], limit: int = LIMIT) -> list[float]:
    """Take every arrival that fits."""
    taken = []
    for now in arrivals:
        ring.advance(now)
        if ring.requests < limit:
            ring.add(now, 10)
            taken.append(now)
    return taken


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 400_000), max_size=300).map(sorted))
def test_no_sixty_seconds_ever_hold_more_than_the_limit(milliseconds: list[int]) -> None:
    taken = admitted(SlidingWindow(), [each / 1000 for each in milliseconds])
    for first in taken:
        assert sum(1 for other in taken if first <= other <= first + 60) <= LIMIT


@settings(derandomize=True, max_examples=60, deadline=None)
@given(offset=st.integers(0, 999), bursts=st.integers(1, 7))
def test_bursts_at_any_offset_stay_within_the_limit(offset: int, bursts: int) -> None:
    arrivals = [
        (offset + burst * 60_000 // bursts + i) / 1000 for burst in range(20) for i in range(LIMIT + 5)
    ]
    taken = admitted(SlidingWindow(), sorted(arrivals))
    for first in taken:
        assert sum(1 for other in taken if first <= other <= first + 60) <= LIMIT


def test_a_steady_caller_gets_at_least_98_percent_of_the_limit() -> None:
    minutes, limit = 61 * 5, 600
    arrivals = (i / 40 for i in range(minutes * 60 * 40))  # four times as many as may pass
    taken = admitted(SlidingWindow(), arrivals, limit)
    assert len(taken) >= 0.98 * limit * minutes


def test_true_tokens_replace_the_estimate_where_it_was_taken() -> None:
    ring = SlidingWindow()
    second = ring.add(100.5, 50)
    ring.add(130.0, 7)
    ring.adjust(second, 30 - 50)
    assert ring.tokens == 37
    ring.advance(161.0)
    assert (ring.requests, ring.tokens) == (1, 7)


def test_a_correction_that_comes_after_the_minute_is_ignored() -> None:
    ring = SlidingWindow()
    second = ring.add(100.5, 50)
    ring.advance(161.0)
    ring.adjust(second, 1000)
    assert (ring.requests, ring.tokens) == (0, 0)


def test_sliding_window_reports_when_capacity_returns() -> None:
    ring = SlidingWindow()
    ring.add(100.25, 50)
    ring.add(110.0, 60)
    assert ring.wait_for_requests_ms(1, 120.0) == 41_000
    assert ring.wait_for_tokens_ms(51, 120.0) == 51_000
    assert ring.full_reset_ms(120.5) == 50_500
    ring.advance(161.0)
    assert ring.requests == 1


def test_an_empty_ring_is_fully_reset() -> None:
    assert SlidingWindow().full_reset_ms(5.0) == 0
    assert SlidingWindow().wait_for_tokens_ms(10, 5.0) == 0
