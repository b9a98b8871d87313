"""Bulkheads, the load after a recovery, outliers and hints: pure, with its own clock."""

from __future__ import annotations

import msgspec

from providers.errors.exceptions import UpstreamFailed, UpstreamStatus
from providers.resilience.bulkhead import Bulkheads
from providers.resilience.circuit_breaker import Phase
from providers.resilience.health import DeploymentHealth, Watch
from providers.resilience.health_hint import HealthHint
from providers.target import Secret, Target


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def target(number, place="http://a"):
    return Target(
        id=number,
        alias="chat",
        name=f"d{number}",
        provider="openai",
        upstream_model="m",
        base_url=place,
        secret=Secret("s"),
    )


def health(clock=None, **more):
    return DeploymentHealth(clock=clock or Clock(), dice=lambda: 0.5, **more)


def fail(subject, where, times=5, failure=None):
    for _ in range(times):
        turn = subject.start(where)
        assert turn is not None
        turn.record_failure(failure or UpstreamFailed("status 500"))
        turn.release()


def answer(subject, where, times=1, clock=None, seconds=0.0):
    for _ in range(times):
        turn = subject.start(where)
        assert turn is not None
        if clock is not None:
            clock.now += seconds
        turn.record_success()
        turn.finish()


def recovered(subject, clock, where):
    fail(subject, where)
    clock.now += 5.0
    answer(subject, where, times=3)


def test_endpoint_takes_a_bounded_number_of_calls_of_all_its_deployments():
    a, same_place, elsewhere = target(1), target(2), target(3, "http://b")
    subject = health(bulkheads=Bulkheads(100, 4))
    subject.update_targets([a, same_place, elsewhere])
    running = [subject.start(each) for each in (a, a, same_place, same_place)]
    assert all(running)
    assert subject.start(a) is None
    assert subject.is_full(same_place.id)
    assert subject.start(elsewhere) is not None
    running[0].finish()
    running[0].finish()  # a second end gives nothing back
    assert subject.start(same_place) is not None
    assert subject.start(a) is None


def test_slow_endpoint_leaves_a_quarter_to_others_and_a_sole_one_gets_all():
    a, b = target(1), target(2, "http://b")
    subject = health(bulkheads=Bulkheads(100))
    subject.update_targets([a, b])
    assert sum(subject.start(a) is not None for _ in range(200)) == 75
    alone = health(bulkheads=Bulkheads(100))
    alone.update_targets([a])
    assert sum(alone.start(a) is not None for _ in range(200)) == 100


def test_changed_credential_is_another_endpoint_and_running_calls_end_at_the_old_one():
    a = target(1)
    subject = health(bulkheads=Bulkheads(100, 1))
    subject.update_targets([a])
    old = subject.start(a)
    changed = msgspec.structs.replace(a, secret=Secret("new"))
    subject.update_targets([changed])
    new = subject.start(changed)
    assert new is not None
    old.finish()
    assert subject.is_full(a.id)
    new.finish()
    assert not subject.is_full(a.id)


def test_when_all_are_full_the_error_has_a_retry_after_and_is_counted():
    counted = []
    a = target(1)
    subject = health(bulkheads=Bulkheads(100, 1), watch=Watch(on_full=lambda: counted.append(1)))
    subject.update_targets([a])
    assert subject.start(a) is not None
    refusal = subject.unavailable([a])
    assert (refusal.answer_status, refusal.code, refusal.retry_after_s) == (
        503,
        "no_deployment_available",
        2.0,
    )
    assert counted == [1]


def test_two_thousand_concurrent_calls_get_one_probe_and_then_a_growing_share():
    """B36: after the rest one call looks, and of those that wait a tenth may come at first."""
    clock, a = Clock(), target(1)
    subject = health(clock, bulkheads=Bulkheads(2000))
    subject.update_targets([a])
    fail(subject, a)
    clock.now += 5.0
    for _ in range(3):
        turns = [subject.start(a) for _ in range(2000)]
        [probe] = [turn for turn in turns if turn is not None]
        probe.record_success()
        probe.finish()
    admitted = []
    for _ in range(11):
        turns = [turn for _ in range(2000) if (turn := subject.start(a)) is not None]
        admitted.append(len(turns))
        for turn in turns:
            turn.finish()
        clock.now += 1.0
    assert admitted == [200, 380, 560, 740, 920, 1100, 1280, 1460, 1640, 1820, 2000]


def test_the_recovery_of_a_deployment_is_shown_without_calls():
    shown: list[float] = []
    clock, a = Clock(), target(1)
    subject = health(clock, watch=Watch(on_change=lambda _, value: shown.append(value)))
    recovered(subject, clock, a)
    clock.now += 10.0
    subject.refresh()
    assert shown == [0.0, 0.5, 1.0]


def test_deployment_that_fails_far_more_often_than_others_is_ejected():
    clock = Clock()
    tier = [target(number) for number in (1, 2, 3)]
    subject = health(clock)
    subject.update_targets(tier, [[1, 2, 3]])
    for _ in range(40):
        for each in tier:
            answer(subject, each)
        answer(subject, tier[0])
        fail(subject, tier[0], times=1)
    subject.eject_outliers()
    entry = subject.get(1)
    assert entry.breaker.phase is Phase.OPEN
    assert entry.breaker.reason == "33% of its calls fail, 0% of its peers'"
    assert {subject.get(number).breaker.phase for number in (2, 3)} == {Phase.CLOSED}


def test_deployment_that_is_far_slower_than_others_is_ejected_for_a_while():
    clock = Clock()
    tier = [target(number) for number in (1, 2, 3, 4)]
    subject = health(clock)
    subject.update_targets(tier, [[1, 2, 3, 4]])
    for _ in range(50):
        turns = [subject.start(each) for each in tier]
        clock.now += 0.2
        for turn in turns[1:]:
            turn.record_success()
            turn.finish()
        clock.now += 1.0
        turns[0].record_success()
        turns[0].finish()
    subject.eject_outliers()
    assert subject.get(1).breaker.phase is Phase.OPEN
    assert "begin after 1.2 s" in subject.get(1).breaker.reason
    clock.now += 6.0
    subject.eject_outliers()
    assert subject.start(tier[0]).is_probe


def test_at_most_half_of_a_tier_is_ejected():
    clock = Clock()
    tier = [target(number) for number in range(1, 6)]
    subject = health(clock)
    subject.update_targets(tier, [[1, 2, 3, 4, 5]])
    for _ in range(30):
        for each in tier:
            answer(subject, each)
            answer(subject, each)
        for each in tier[:3]:
            fail(subject, each, times=1)
    for each in tier[:2]:
        subject.get(each.id).breaker.trip(clock.now, "out already")
    subject.eject_outliers()
    assert [subject.get(each.id).breaker.phase for each in tier].count(Phase.OPEN) == 2


def test_opened_and_closed_breakers_are_published_to_other_workers():
    told: list[HealthHint] = []
    clock, a = Clock(), target(7)
    subject = health(clock, watch=Watch(on_hint=told.append))
    subject.update_targets([a])
    recovered(subject, clock, a)
    assert told == [HealthHint(7, "open", 5.0, "status 500"), HealthHint(7, "closed")]


def test_a_refused_credential_and_a_retry_after_are_published_once():
    told: list[HealthHint] = []
    clock, a, b = Clock(), target(1), target(2)
    subject = health(clock, watch=Watch(on_hint=told.append))
    subject.update_targets([a, b])
    fail(subject, a, times=1, failure=UpstreamStatus(401, b""))
    turns = [subject.start(b) for _ in range(50)]
    for turn in turns:
        turn.record_failure(UpstreamStatus(429, b"", retry_after_s=20.0))
        turn.release()
    assert told == [HealthHint(1, "open", 5.0, "upstream_auth_failed"), HealthHint(2, "cool", 21.0)]


def test_received_hints_are_not_published_again():
    told: list[HealthHint] = []
    clock, a = Clock(), target(1)
    subject = health(clock, watch=Watch(on_hint=told.append))
    subject.update_targets([a])
    subject.apply_hint(HealthHint(1, "open", 5.0, "status 500"))
    assert subject.get(1).breaker.is_blocked(clock.now)
    subject.apply_hint(HealthHint(1, "cool", 2.0))
    clock.now += 5.0
    answer(subject, a, times=3)
    assert told == []


def test_received_hints_are_shown_and_unknown_rows_are_skipped():
    shown, a = [], target(1)
    subject = health(watch=Watch(on_change=lambda each, value: shown.append((each.id, value))))
    subject.update_targets([a])
    subject.apply_hint(HealthHint(1, "open", 5.0, "status 500"))
    subject.apply_hint(HealthHint(99, "open", 5.0, "status 500"))
    assert shown == [(1, 0.0)]
    [seen] = subject.snapshots()
    assert (seen.state, seen.reason) == ("open", "status 500 (seen by another process)")
