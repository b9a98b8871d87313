"""Hints of other processes about a deployment: short, and never against this process's own results."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.resilience.circuit_breaker import IGNORE_HINTS_S, LONGEST_HINT_S, CircuitBreaker, Phase, Policy


def breaker(**policy):
    return CircuitBreaker(Policy(**policy), lambda: 0.5)


def probe(subject, now):
    assert subject.begin(now) is True
    subject.record_success(now, now, is_probe=True)


def test_hint_rests_the_deployment_for_the_remaining_seconds_and_then_one_call_probes():
    subject = breaker()
    subject.on_hint_open(100.0, 3.0, "status 500")
    assert (subject.is_blocked(102.9), subject.is_blocked(103.0)) == (True, False)
    assert subject.begin(103.0) is True
    assert subject.begin(103.0) is None


def test_no_hint_lasts_longer_than_ten_seconds():
    subject = breaker()
    subject.on_hint_open(0.0, 120.0, "status 500")
    assert subject.open_until == LONGEST_HINT_S


def test_a_hint_does_not_count_as_an_opening_of_this_breaker():
    subject = breaker()
    subject.on_hint_open(0.0, 5.0, "status 500")
    for _ in range(3):
        probe(subject, 5.0)
    for _ in range(5):
        subject.record_failure(6.0, 6.0)
    assert subject.open_until == 6.0 + 5.0  # the first rest, not the doubled one


def test_own_successes_overrule_a_hint_and_the_next_hints_for_a_minute():
    subject = breaker()
    subject.on_hint_open(1.0, 10.0, "status 500")
    for _ in range(3):
        subject.record_success(2.0, 0.5)  # calls that were under way when the hint came
    assert not subject.is_blocked(2.0)
    subject.on_hint_open(2.0 + IGNORE_HINTS_S - 0.1, 10.0, "status 500")
    assert not subject.is_blocked(2.0 + IGNORE_HINTS_S - 0.1)
    subject.on_hint_open(2.0 + IGNORE_HINTS_S, 10.0, "status 500")
    assert subject.is_blocked(2.0 + IGNORE_HINTS_S)


def test_own_failures_let_hints_count_again():
    subject = breaker()
    subject.on_hint_open(0.0, 1.0, "status 500")
    for _ in range(3):
        probe(subject, 1.0)
    for _ in range(5):
        subject.record_failure(2.0, 2.0)
    for _ in range(3):
        probe(subject, 7.0)
    subject.on_hint_open(8.0, 1.0, "status 500")
    assert subject.phase is Phase.OPEN


def test_a_hint_changes_nothing_about_what_failed_here_or_is_being_probed():
    subject = breaker()
    for _ in range(5):
        subject.record_failure(0.0, 0.0, "own")
    subject.on_hint_open(1.0, 10.0, "theirs")
    assert (subject.open_until, subject.reason, subject.is_hinted) == (5.0, "own", False)
    assert subject.begin(5.0) is True
    subject.on_hint_open(5.0, 10.0, "theirs")
    assert subject.phase is Phase.HALF_OPEN


def test_a_hinted_rest_ends_in_a_ramp_when_it_serves_again_elsewhere():
    subject = breaker()
    subject.on_hint_open(0.0, 10.0, "status 500")
    subject.on_hint_closed(1.0)
    assert (subject.phase, round(subject.share(1.0), 2)) == (Phase.CLOSED, 0.1)


def test_what_failed_here_is_only_probed_at_once_when_it_serves_again_elsewhere():
    subject = breaker()
    for _ in range(5):
        subject.record_failure(0.0, 0.0)
    subject.on_hint_closed(1.0)
    assert subject.begin(1.0) is True
    assert subject.begin(1.0) is None


def test_another_processs_retry_after_is_a_floor_here_too_but_for_two_minutes_at_most():
    subject = breaker()
    subject.start_cooldown(0.0, 30.0)
    floor = subject.cool_until
    subject.on_hint_cooldown(0.0, 5.0)
    assert subject.cool_until == floor
    subject.on_hint_cooldown(0.0, 60.0)
    assert (subject.begin(59.9), subject.begin(60.0)) == (None, False)
    subject.on_hint_cooldown(60.0, 10_000.0)
    assert subject.cool_until == pytest.approx(60.0 + 120.0 * 1.1)


HINTS = st.lists(st.tuples(st.floats(0.0, 5.0), st.floats(0.0, 500.0)), max_size=60)


@given(HINTS)
@settings(deadline=None)
def test_hints_alone_never_keep_a_healthy_deployment_out_for_ever(hints):
    """Whatever others say and however often: between two probes of our own lie ten seconds at most."""
    subject, now, probed_at = breaker(), 0.0, 0.0
    for delay, seconds in hints:
        now += delay
        subject.on_hint_open(now, seconds, "they say")
        if subject.begin(now) is not None:
            subject.record_success(now, now, is_probe=subject.is_probing)
            probed_at = now
        assert now - probed_at <= LONGEST_HINT_S + 5.0
