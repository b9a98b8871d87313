from __future__ import annotations

from metering.journal.lag import Lag
from metering.journal.segments import Position


def test_lag_is_zero_when_nothing_closed() -> None:
    assert (Lag().records, Lag().oldest_s(5.0)) == (0, 0.0)


def test_lag_counts_closed_calls_and_their_age() -> None:
    lag = Lag()
    lag.count_closed(Position(1, 100), 10.0)
    lag.count_closed(Position(1, 200), 11.0)

    assert lag.records == 2
    assert lag.oldest_s(15.0) == 5.0


def test_lag_drops_shipped_calls() -> None:
    lag = Lag()
    lag.count_closed(Position(1, 100), 10.0)
    lag.count_closed(Position(1, 200), 11.0)
    lag.count_closed(Position(2, 50), 12.0)

    lag.note_shipped(Position(1, 200), written=Position(2, 50))

    assert lag.records == 2
    assert lag.oldest_s(15.0) == 4.0


def test_lag_is_zero_when_everything_was_shipped() -> None:
    lag = Lag()
    lag.count_closed(Position(1, 100), 10.0)

    lag.note_shipped(Position(1, 100), written=Position(1, 100))

    assert (lag.records, lag.oldest_s(99.0)) == (0, 0.0)


def test_an_age_is_never_negative() -> None:
    lag = Lag()
    lag.count_closed(Position(1, 100), 10.0)

    assert lag.oldest_s(9.0) == 0.0
