"""The tests' own wait returns the value that held, and reports the last value if none did."""

from __future__ import annotations

import pytest

from tests.support.waiting import NeverHeld, eventually, wait_until


async def test_eventually_returns_the_value_that_satisfied_the_condition():
    numbers = iter(range(10))
    assert await eventually(lambda: next(numbers), lambda number: number == 3) == 3
    assert next(numbers) == 4


async def test_eventually_awaits_async_functions():
    numbers = iter(range(10))

    async def read():
        return next(numbers)

    assert await eventually(read, lambda number: number > 1) == 2


async def test_eventually_reports_the_last_value():
    with pytest.raises(NeverHeld, match="last value was 'almost'"):
        await eventually(lambda: "almost", lambda _: False, within_s=0)


def test_an_error_of_reading_means_not_yet_only_where_it_is_named():
    answers = iter([1 / 2, 0, 3])
    assert (
        wait_until(lambda: 1 / next(answers), lambda value: value < 1, despite=(ZeroDivisionError,)) == 1 / 3
    )
    with pytest.raises(ZeroDivisionError):
        wait_until(lambda: 1 / 0)
    with pytest.raises(NeverHeld, match="division by zero"):
        wait_until(lambda: 1 / 0, despite=(ZeroDivisionError,), within_s=0)
