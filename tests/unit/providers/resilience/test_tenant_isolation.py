"""Failures of one tenant's calls count for that tenant; for all only once calls of others fail too. Pure."""

from __future__ import annotations

import orjson
import pytest

from providers.errors.exceptions import (
    ConnectFailed,
    UpstreamBroken,
    UpstreamFailed,
    UpstreamStatus,
    UpstreamTimeout,
)
from providers.resilience.bulkhead import Bulkheads
from providers.resilience.circuit_breaker import Phase
from providers.resilience.health import DeploymentHealth
from tests.unit.providers.resilience.test_health import Clock, health, target

ALICE, BOB, CARL = 1, 2, 3
WHERE = target(1)


def status(code, body=b"", wait=None):
    return UpstreamStatus(code, body, retry_after_s=wait)


POISON = {
    "a server that fails on it": lambda: status(500, b"CUDA error"),
    "503 with a wish to be left alone": lambda: status(503, b"", 60.0),
    "no first byte": lambda: UpstreamTimeout("first_byte", 300),
    "silence": lambda: UpstreamTimeout("idle", 120),
    "too slow in all": lambda: UpstreamTimeout("total", 900),
    "a reset": lambda: UpstreamBroken("reset", kind="reset"),
    "no JSON": lambda: UpstreamBroken("malformed"),
    "a 403 that says nothing": lambda: status(403, b"Forbidden"),
    "a 400 about a key": lambda: status(400, b'{"error":"Incorrect API key provided"}'),
    "more than the credit": lambda: status(402, b'{"error":{"message":"can only afford 3000"}}'),
    "no connection": lambda: ConnectFailed("refused", "connect_refused"),
}


def call(subject: DeploymentHealth, who: int, failure: UpstreamFailed | None, where=WHERE) -> bool:
    """Make a call of this tenant; return whether it was admitted."""
    attempt = None if is_blocked(subject, who, where) else subject.start(where, who)
    if attempt is None:
        return False
    if failure is None:
        attempt.record_success()
    else:
        attempt.record_failure(failure)
    attempt.release()
    return True


def is_blocked(subject: DeploymentHealth, who: int, where=WHERE) -> bool:
    entry = subject.get(where.id)
    return entry is not None and entry.breaker_for(who, subject.clock()).is_blocked(subject.clock())


@pytest.mark.parametrize("how", POISON)
def test_one_tenants_requests_block_a_deployment_for_no_other(how):
    clock = Clock()
    subject = health(clock)
    for _ in range(500):
        call(subject, ALICE, POISON[how]())
        clock.now += 0.01
        assert not is_blocked(subject, BOB)
    assert is_blocked(subject, ALICE)
    assert all(call(subject, BOB, None) for _ in range(100))
    entry = subject.get(WHERE.id)
    assert entry is not None
    assert (entry.breaker.phase, entry.value) == (Phase.CLOSED, 0.5)


@pytest.mark.parametrize("how", POISON)
def test_an_outage_is_known_as_soon_as_others_see_it_too(how):
    subject = health()
    for _ in range(5):
        call(subject, ALICE, POISON[how]())
    assert not is_blocked(subject, CARL)
    for _ in range(2):
        call(subject, BOB, POISON[how]())
    assert all(is_blocked(subject, who) for who in (ALICE, BOB, CARL, 0))


@pytest.mark.parametrize("how", [how for how in POISON if "403" in how or "key" in how or "credit" in how])
def test_a_doubtful_credential_is_proven_by_the_second_tenant(how):
    subject = health()
    call(subject, ALICE, POISON[how]())
    assert not is_blocked(subject, ALICE)
    call(subject, BOB, POISON[how]())
    assert is_blocked(subject, CARL)


@pytest.mark.parametrize(
    "sure",
    [status(401, b"who are you"), status(402), status(429, b'{"error":{"code":"insufficient_quota"}}')],
)
def test_an_unambiguous_failure_rests_the_deployment_for_all_at_once(sure):
    subject = health()
    call(subject, ALICE, sure)
    assert is_blocked(subject, BOB)


def test_a_success_of_any_tenant_resets_consecutive_failures():
    subject = health()
    for _ in range(20):
        call(subject, ALICE, POISON["silence"]())
        call(subject, BOB, POISON["silence"]())
        call(subject, CARL, None)
        call(subject, CARL, None)
        call(subject, CARL, None)
    assert not is_blocked(subject, CARL)


def test_a_share_of_failures_counts_without_those_of_the_tenant_with_the_most():
    clock = Clock()
    subject = health(clock)
    for _ in range(60):  # more than half of all calls fail, and all of them are of one tenant
        for _ in range(2):
            call(subject, ALICE, POISON["silence"]())
        call(subject, BOB, None)
    assert not is_blocked(subject, BOB)
    for _ in range(60):
        call(subject, BOB, POISON["silence"]())
        call(subject, CARL, None)
        call(subject, CARL, POISON["silence"]())
    assert is_blocked(subject, BOB)


def test_after_an_outage_one_tenants_failures_block_no_other_tenant():
    clock = Clock()
    subject = health(clock)
    for who in (ALICE, BOB, CARL, BOB, CARL):
        call(subject, who, POISON["no first byte"]())
    assert is_blocked(subject, CARL)
    clock.now += 6.0
    assert call(subject, ALICE, POISON["no first byte"]())  # that tenant is the first to probe
    assert is_blocked(subject, ALICE)
    assert not is_blocked(subject, BOB)
    assert all(call(subject, BOB, None) for _ in range(3))
    assert not is_blocked(subject, CARL)


def test_in_an_outage_that_lasts_two_probes_of_different_tenants_are_enough():
    clock = Clock()
    subject = health(clock)
    for who in (ALICE, BOB, CARL, BOB, CARL):
        call(subject, who, POISON["no connection"]())
    clock.now += 6.0
    through = [call(subject, who, POISON["no connection"]()) for who in (ALICE, ALICE, BOB)]
    assert through == [True, False, True]
    assert is_blocked(subject, CARL)


def test_a_sole_tenant_is_kept_away_as_ever_and_comes_back():
    clock = Clock()
    subject = health(clock)
    for _ in range(5):
        call(subject, ALICE, POISON["silence"]())
    assert is_blocked(subject, ALICE)
    clock.now += 6.0
    assert [call(subject, ALICE, None) for _ in range(3)] == [True] * 3
    assert not is_blocked(subject, ALICE)


def test_a_tenant_blocked_alone_ramps_up_slowly_too():
    clock = Clock()
    subject = health(clock, bulkheads=Bulkheads(200))
    subject.update_targets([WHERE])
    for _ in range(5):
        call(subject, ALICE, POISON["silence"]())
    clock.now += 6.0
    assert all(call(subject, ALICE, None) for _ in range(3))
    hers = [attempt for _ in range(300) if (attempt := subject.start(WHERE, ALICE)) is not None]
    his = [attempt for _ in range(300) if (attempt := subject.start(WHERE, BOB)) is not None]
    assert (len(hers), len(his)) == (20, 160)


def test_when_other_tenants_succeed_the_blocked_tenant_probes_at_once():
    clock = Clock()
    subject = health(clock)
    for who in (ALICE, BOB, CARL, BOB, CARL):
        call(subject, who, POISON["silence"]())
    for _ in range(4):  # its calls are the first to probe, again and again: its own rests double
        clock.now += 130.0
        call(subject, ALICE, POISON["silence"]())
    assert is_blocked(subject, ALICE)
    assert all(call(subject, BOB, None) for _ in range(3))
    assert call(subject, ALICE, None)


def test_a_slow_answer_of_one_tenant_makes_no_outlier_for_others():
    clock = Clock()
    subject, peer = health(clock), target(2, "http://b")
    subject.update_targets([WHERE, peer], [[1, 2]])
    for _ in range(64):
        for where, who, seconds in ((WHERE, ALICE, 9.0), (peer, BOB, 0.1)):
            attempt = subject.start(where, who)
            assert attempt is not None
            clock.now += seconds / 10
            attempt.began -= seconds
            attempt.record_success()
            attempt.finish()
    subject.eject_outliers()
    assert is_blocked(subject, ALICE)
    assert not is_blocked(subject, BOB)


def test_calls_that_hang_leave_the_last_tenth_of_an_endpoint_to_others():
    subject = health(bulkheads=Bulkheads(100, 20))
    subject.update_targets([WHERE])
    hers = [attempt for _ in range(50) if (attempt := subject.start(WHERE, ALICE)) is not None]
    assert (len(hers), subject.is_full(WHERE.id, ALICE), subject.is_full(WHERE.id, BOB)) == (18, True, False)
    his = [attempt for _ in range(50) if (attempt := subject.start(WHERE, BOB)) is not None]
    assert (len(his), subject.is_full(WHERE.id, CARL)) == (2, True)
    for attempt in (*hers, *his):
        attempt.finish()
    assert sum(subject.start(WHERE, BOB) is not None for _ in range(50)) == 18


def test_a_client_that_leaves_gives_its_tenants_probe_back():
    clock = Clock()
    subject = health(clock)
    for _ in range(5):
        call(subject, ALICE, POISON["silence"]())
    clock.now += 6.0
    attempt = subject.start(WHERE, ALICE)
    assert attempt is not None
    assert subject.start(WHERE, ALICE) is None
    attempt.release()
    assert call(subject, ALICE, None)


def test_the_first_caller_gets_the_same_retry_after_as_all_others():
    clock = Clock()
    subject = health(clock)
    waits = []
    for who in (ALICE, BOB):
        refusal = UpstreamStatus.from_response(429, {"retry-after": "561635"}, b"")
        call(subject, who, refusal)
        waits.append(refusal.retry_after_s)
    waits += [subject.unavailable([WHERE], who).retry_after_s for who in (ALICE, BOB, CARL)]
    assert len(set(waits)) == 1
    assert 120 <= (waits[0] or 0) <= 132


@pytest.mark.parametrize("headers", [{"retry-after": "60"}, {"retry-after-ms": "90000"}, {}])
def test_a_limit_met_by_one_prompt_applies_to_no_other(headers):
    clock = Clock()
    subject = health(clock)
    for _ in range(10):
        call(
            subject,
            ALICE,
            UpstreamStatus.from_response(429, headers, b"would exceed 30000 input tokens per minute"),
        )
    assert is_blocked(subject, ALICE) == bool(headers)
    assert not is_blocked(subject, BOB)
    assert all(call(subject, BOB, None) for _ in range(50))
    entry = subject.get(WHERE.id)
    assert entry is not None
    assert entry.breaker.is_unrestricted


def test_a_limit_met_by_two_tenants_applies_to_all_until_its_end():
    clock = Clock()
    subject = health(clock)
    for who in (ALICE, BOB):
        call(subject, who, UpstreamStatus.from_response(429, {"retry-after": "60"}, b""))
    assert is_blocked(subject, CARL)
    clock.now += 67.0
    assert not any(is_blocked(subject, who) for who in (ALICE, BOB, CARL))
    call(
        subject, CARL, UpstreamStatus.from_response(429, {"retry-after": "60"}, b"")
    )  # the others' limits are over
    assert not is_blocked(subject, BOB)


@pytest.mark.parametrize(
    "body", [b'{"error":{"message":"x","code":"content_filter"}}', orjson.dumps({"detail": "no"})]
)
def test_a_request_that_is_refused_says_nothing_of_the_deployment(body):
    subject = health()
    for code in (400, 403, 413, 422):
        for _ in range(10):
            call(subject, ALICE, status(code, body if code != 403 else b"<html>no</html>"))
    assert not is_blocked(subject, ALICE)
