"""How many calls are read on without their client: a bound for all, a quarter of it for one tenant."""

from __future__ import annotations

import pytest

from metering.read_on import ReadingOn, ReadOn
from providers.resilience.plan import CallProgress


def calls(room, count, tenant_id=1):
    return [ReadOn(room, tenant_id, CallProgress(), lambda: True) for _ in range(count)]


def begun(several):
    return sum(bool(each.begin()) for each in several)


def test_one_tenant_gets_a_quarter_and_all_together_at_most_the_total():
    room = ReadingOn(5.0, 8)
    assert begun(calls(room, 5)) == 2
    assert begun([call for tenant in range(2, 9) for call in calls(room, 3, tenant)]) == 6
    assert room.in_use == 8


def test_released_slot_is_used_by_the_next_call():
    room = ReadingOn(5.0, 4)
    [first, second] = calls(room, 2)
    assert (first.begin(), second.begin()) == (5.0, 0.0)
    first.end()
    first.end()
    assert (room.in_use, second.begin()) == (0, 5.0)


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_nothing_is_read_after_disconnect_without_time(seconds):
    assert begun(calls(ReadingOn(seconds), 3)) == 0


def test_answer_that_will_not_end_takes_no_slot_and_its_client_stays_connected():
    room, progress = ReadingOn(5.0), CallProgress()
    assert ReadOn(room, 1, progress, lambda: False).begin() == 0.0
    assert (room.in_use, progress.client_disconnected) == (0, False)


def test_disconnect_is_counted_once():
    room, progress = ReadingOn(5.0), CallProgress()
    call = ReadOn(room, 1, progress, lambda: True)
    assert (call.begin(), call.begin()) == (5.0, 0.0)
    assert (room.in_use, progress.client_disconnected) == (1, True)
