"""When calls stop waiting for Redis, and when the next attempt is made. The clock is passed in."""

from __future__ import annotations

from budgets.redis.client.connection import ReconnectBackoff


def opened() -> ReconnectBackoff:
    breaker = ReconnectBackoff()
    for n in range(5):
        breaker.fail(10.0 + n / 10)
    return breaker


def test_five_failures_within_a_second_open_the_breaker_for_a_second() -> None:
    breaker = opened()
    assert [breaker.is_open(now) for now in (10.4, 11.3, 11.5)] == [True, True, False]


def test_five_failures_that_take_longer_do_not() -> None:
    breaker = ReconnectBackoff()
    for n in range(50):
        breaker.fail(10.0 + n * 0.3)
    assert not breaker.is_open(24.8)


def test_one_more_failure_afterwards_opens_the_breaker_again_at_once() -> None:
    breaker = opened()
    breaker.fail(12.0)
    assert [breaker.is_open(now) for now in (12.9, 13.1)] == [True, False]


def test_after_an_answer_the_breaker_needs_five_failures_again() -> None:
    breaker = opened()
    breaker.succeed()
    breaker.fail(12.0)
    assert not breaker.is_open(12.1)
