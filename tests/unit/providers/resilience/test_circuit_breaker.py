"""The states of a breaker, second by second, with the test's own clock and random numbers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.resilience.circuit_breaker import CircuitBreaker, Phase, Policy
from providers.resilience.retry_budget import RetryBudget

MIDDLE = 0.5  # dice for which a rest is exactly as long as the rule says


def breaker(dice=MIDDLE):
    return CircuitBreaker(Policy(), lambda: dice)


def fail(subject, times, now=0.0):
    for _ in range(times):
        is_probe = subject.begin(now)
        assert is_probe is not None
        subject.record_failure(now, now, "status 500", is_probe=is_probe)


def succeed(subject, now):
    is_probe = subject.begin(now)
    assert is_probe is not None
    subject.record_success(now, now, is_probe=is_probe)


def opened(now=0.0):
    subject = breaker()
    fail(subject, 5, now)
    return subject


def test_five_consecutive_failures_open_the_breaker():
    subject = breaker()
    fail(subject, 4)
    succeed(subject, 0.0)
    fail(subject, 4)
    assert subject.phase is Phase.CLOSED
    fail(subject, 1)
    assert (subject.phase, subject.is_blocked(4.9), subject.value(4.9)) == (Phase.OPEN, True, 0.0)


def test_half_of_twenty_calls_failing_within_ten_seconds_opens_the_breaker():
    subject = breaker()
    for second in range(10):
        succeed(subject, float(second))
        if second < 9:
            fail(subject, 1, float(second))
    assert not subject.is_blocked(9.5)  # 19 samples
    fail(subject, 1, 9.5)
    assert subject.is_blocked(9.5)


def test_old_failures_do_not_count():
    subject = breaker()
    for second in range(9):
        succeed(subject, float(second))
        fail(subject, 1, float(second))
    succeed(subject, 30.0)
    fail(subject, 1, 30.0)
    assert subject.phase is Phase.CLOSED


def test_one_probe_runs_at_a_time_and_three_successes_close_the_breaker():
    subject = opened()
    for turn in range(3):
        assert subject.begin(5.0) is True
        assert subject.begin(5.0) is None
        assert subject.is_blocked(5.0)
        subject.record_success(5.0, 5.0, is_probe=True)
        assert subject.phase is (Phase.CLOSED if turn == 2 else Phase.HALF_OPEN)


def test_a_failed_probe_doubles_the_rest_up_to_two_minutes():
    subject, now, rests = opened(), 0.0, []
    for _ in range(7):
        rests.append(subject.open_until - now)
        now = subject.open_until
        fail(subject, 1, now)
    assert rests == [5, 10, 20, 40, 80, 120, 120]


def test_after_five_good_minutes_the_next_rest_is_a_first_one_again():
    subject = opened()
    fail(subject, 1, 5.0)  # a second opening: 10 s
    for _ in range(3):
        succeed(subject, 15.0)
    fail(subject, 5, 15.0 + 300.0)
    assert subject.open_until == 315.0 + 5.0


def test_recovery_ramps_from_a_tenth_to_all_in_ten_seconds():
    subject = opened()
    for _ in range(3):
        succeed(subject, 5.0)
    assert [round(subject.share(5.0 + s), 2) for s in (0, 5, 10)] == [0.1, 0.55, 1.0]
    assert subject.value(6.0) == 0.5
    succeed(subject, 15.0)
    assert subject.is_unrestricted


def test_a_late_failure_of_an_older_call_does_not_open_what_just_closed():
    subject = opened()
    for _ in range(3):
        succeed(subject, 5.0)
    for _ in range(9):
        subject.record_failure(6.0, 1.0, "late")
    assert subject.phase is Phase.CLOSED


def test_a_probe_whose_client_left_makes_room_for_the_next():
    subject = opened()
    assert subject.begin(5.0) is True
    subject.release_probe(is_probe=True)
    assert subject.begin(5.0) is True


def test_a_refused_credential_opens_the_breaker_at_once():
    subject = breaker()
    subject.trip(0.0, "upstream_auth_failed")
    assert subject.is_blocked(1.0)


def test_a_rate_limit_without_a_time_only_lowers_the_deployments_rank():
    subject = breaker()
    subject.start_cooldown(0.0, None)
    assert (subject.share(0.5), subject.is_blocked(0.5), subject.share(2.0)) == (0.0, False, 1.0)


@given(
    waits=st.lists(st.floats(0, 500), min_size=1, max_size=5),
    dice=st.floats(0, 1, exclude_max=True),
    after=st.floats(0, 600),
)
@settings(deadline=None)
def test_no_call_is_sent_before_the_retry_after_ends(waits, dice, after):
    subject = breaker(dice)
    for wait in waits:
        subject.start_cooldown(0.0, wait)
    if after < min(120.0, max(waits)):
        assert subject.is_blocked(after)
        assert subject.begin(after) is None


EVENTS = st.lists(st.tuples(st.sampled_from(["begin", "ok", "fail", "leave"]), st.floats(0, 20)), max_size=80)


@given(EVENTS)
@settings(deadline=None)
def test_there_is_never_a_second_probe(events):
    """In any order of events at most one call at a time is the probe."""
    subject, now, running = breaker(), 0.0, []
    for event, delay in events:
        now += delay / 10
        if event == "begin":
            is_probe = subject.begin(now)
            if is_probe is not None:
                running.append((now, is_probe))
        elif running:
            began, is_probe = running.pop(0)
            if event == "ok":
                subject.record_success(now, began, is_probe=is_probe)
            elif event == "fail":
                subject.record_failure(now, began, is_probe=is_probe)
            else:
                subject.release_probe(is_probe=is_probe)
        assert sum(is_probe for _, is_probe in running) <= 1


def test_the_retry_budget_allows_a_tenth_of_the_answers_and_three_a_second():
    budget = RetryBudget()
    spent = sum(budget.spend(0.0) for _ in range(500))
    assert spent == 53  # full at first
    for _ in range(100):
        budget.record_success(0.0)
    assert sum(budget.spend(0.0) for _ in range(500)) == pytest.approx(10, abs=1)
    assert sum(budget.spend(1.0) for _ in range(500)) == 3
