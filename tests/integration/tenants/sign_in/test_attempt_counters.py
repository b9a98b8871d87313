"""Attempts are counted before they are made, in this process and in Redis, whatever is stored there."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from tenants.sign_in import attempt_counters
from tenants.sign_in.attempt_counters import PREFIX, Limit, LocalCounters, SharedCounters
from tests.support.faults import hostile_pickle

WINDOW_S = 900
FEW, MANY = Limit("few", 3), Limit("many", 5)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def local(clock):
    return LocalCounters(WINDOW_S, clock)


@pytest.fixture
def client(redis_server):
    with redis.Redis(port=redis_server.port) as client:
        yield client


@pytest.fixture
def shared(client):
    return SharedCounters(WINDOW_S, lambda: client)


@pytest.fixture(params=["local", "shared"])
def counters(request):
    return request.getfixturevalue(request.param)


def test_of_concurrent_attempts_no_more_than_the_limit_pass(counters):
    everybody = threading.Barrier(32)

    def come(_):
        everybody.wait()
        return [counters.take([FEW]) for _ in range(4)]

    with ThreadPoolExecutor(32) as threads:
        waits = [wait for waits in threads.map(come, range(32)) for wait in waits]
    assert len(waits) == 128
    assert waits.count(0.0) == FEW.most


def test_a_refusal_counts_under_no_limit(counters):
    for _ in range(10):
        counters.take([FEW, MANY])
    assert [counters.take([MANY]) == 0 for _ in range(3)] == [True, True, False]


def test_returned_attempt_can_be_taken_again(counters):
    for _ in range(10):
        assert counters.take([FEW]) == 0
        counters.give_back([FEW])
    assert 0 < sum(counters.take([FEW]) for _ in range(4)) <= WINDOW_S


def test_attempt_that_was_not_taken_is_not_returned(counters):
    for _ in range(5):
        counters.give_back([FEW])
    assert [counters.take([FEW]) == 0 for _ in range(4)] == [True, True, True, False]


def test_the_window_begins_with_the_first_attempt_and_ends(local, clock):
    local.take([FEW])
    clock.now = 800
    assert [local.take([FEW]) for _ in range(3)] == [0, 0, 100]
    clock.now = 900
    assert local.take([FEW]) == 0


def test_the_window_ends_in_redis_too(client):
    brief = SharedCounters(0.05, lambda: client)
    assert 0 < [brief.take([FEW]) for _ in range(4)][-1] <= 0.05
    while client.exists(PREFIX + "few"):
        pass
    assert brief.take([FEW]) == 0


def test_many_unknown_names_do_not_evict_an_account_near_its_limit(local):
    for _ in range(3):
        local.take([FEW])
    for number in range(attempt_counters.CAPACITY * 2):
        local.take([Limit(f"other-{number}", 3)])
    assert len(local) <= attempt_counters.CAPACITY
    assert local.take([FEW]) > 0


@pytest.mark.parametrize("kind", list(hostile_pickle.values(Path())))
def test_a_hostile_stored_value_runs_nothing_and_does_not_end_counting(shared, client, tmp_path, kind):
    mark = tmp_path / "ran"
    client.set(PREFIX + "few", hostile_pickle.values(mark)[kind])
    assert [shared.take([FEW]) == 0 for _ in range(4)] == [True, True, True, False]
    shared.give_back([FEW])
    assert not mark.exists()


def test_a_hostile_value_of_another_type_is_dropped(shared, client):
    client.rpush(PREFIX + "few", "a", "b")
    client.hset(PREFIX + "many", "a", "b")
    assert [shared.take([FEW, MANY]) == 0 for _ in range(4)] == [True, True, True, False]


def test_a_count_that_would_never_end_is_dropped(shared, client):
    client.set(PREFIX + "few", 1_000_000)
    client.set(PREFIX + "many", 1_000_000, px=WINDOW_S * 100_000)
    assert shared.take([FEW, MANY]) == 0
    assert 0 < client.pttl(PREFIX + "few") <= WINDOW_S * 1000


def test_a_limit_may_have_a_window_of_its_own(counters):
    short = Limit("short", 1, 30)
    assert counters.take([FEW, short]) == 0
    assert 0 < counters.take([short]) <= 30
    assert 0 < counters.take([FEW, short]) <= 30
    assert [counters.take([FEW]) == 0 for _ in range(3)] == [True, True, False]
