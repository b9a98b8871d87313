"""When the database counts as late."""

from __future__ import annotations

import pytest

from gateway.stores.database_monitor import LATE_S, DatabaseMonitor


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def pulse(clock):
    return DatabaseMonitor(clock)


def test_nothing_is_late_before_the_first_query(pulse):
    assert not pulse.is_late


def test_a_quick_answer_is_not_late_however_long_ago_it_was(pulse, clock):
    with pulse.query():
        clock.now += LATE_S / 2
        assert not pulse.is_late
    clock.now += 1000
    assert not pulse.is_late


def test_waiting_query_is_late_and_so_is_its_answer(pulse, clock):
    with pulse.query():
        clock.now += LATE_S + 0.1
        assert pulse.is_late
    assert pulse.is_late
    with pulse.query():
        assert pulse.is_late  # until it has answered
    assert not pulse.is_late


def test_a_failure_is_late(pulse):
    with pytest.raises(OSError, match="gone"), pulse.query():
        raise OSError("gone")
    assert pulse.is_late
