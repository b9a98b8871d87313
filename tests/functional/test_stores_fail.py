"""A store of production mode stops, hangs or forgets everything under load: calls go on as far as is promised, and
afterwards the budget was spent to the last cent and not one cent more. A few seconds each; a minute in `make soak`.
"""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tests import cents
from tests.cents import Crowd, agree, exhaust
from tests.postgres import Postgres
from tests.redis_server import RedisServer

CENTS_A_SECOND = 170  # more than the crowd can ask for
BEFORE_S, AFTER_S = 1.5, 3.0
LONG = [pytest.mark.soak, pytest.mark.timeout(600)]
SPANS = [pytest.param(4.0, id="short"), pytest.param(60.0, id="long", marks=LONG)]


class Stores:
    """A PostgreSQL and a Redis of the test's own."""

    def __init__(self):
        self.postgres, self.redis = Postgres(), RedisServer()


@pytest.fixture(scope="module")
def stores():
    both = Stores()
    try:
        both.postgres.start()
        both.redis.start()
        yield both
    finally:
        both.redis.kill()
        both.postgres.close()


@pytest.fixture
def broken(fresh_gateway, stores, upstream):
    """Return what lets a crowd spend while `fault` is done and, so many seconds later, undone."""

    async def run(fault, heal, span_s):
        stores.redis.run("FLUSHALL")
        limit = int(CENTS_A_SECOND * (BEFORE_S + span_s + AFTER_S))
        env = {"ROUTER_DB_URL": stores.postgres.new_database(), "ROUTER_REDIS_URL": stores.redis.url}
        upstream.script("up-cents", {"delay": 0.01})
        plan = cents.config(upstream.base_url, limit, server={"workers": 2}, database={"max_conns": 4})
        gateway = fresh_gateway(plan, bare=True, env=env)
        async with Crowd(gateway) as crowd:
            await asyncio.sleep(BEFORE_S)  # the crowd's own pace is what passes
            hit_at = time.monotonic()
            await asyncio.to_thread(fault)
            await asyncio.sleep(span_s)
            await asyncio.to_thread(heal)
            healed_at = time.monotonic()
            await asyncio.sleep(AFTER_S)
        report(crowd, hit_at, healed_at)
        rest = await exhaust(gateway)
        await agree(gateway, upstream, [said.answer for said in crowd.said] + rest, limit)
        return crowd, hit_at, healed_at

    return run


def report(crowd, hit_at, healed_at):
    back = min(said.at + said.seconds for said in crowd.said if said.at >= healed_at and said.word == "200")
    print(  # noqa: T201 - the figures
        f"before: p99 {crowd.p99_ms(until=hit_at):.0f} ms; during: {dict(crowd.words(hit_at, healed_at))}, p99 "
        f"{crowd.p99_ms(hit_at, healed_at):.0f} ms; served again after {back - healed_at:.2f} s"
    )


def recovered_s(crowd, healed_at):
    """Return how long after the end of the fault the last call was refused."""
    late = [said.at - healed_at for said in crowd.said if said.at >= healed_at and said.word != "200"]
    return max(late, default=0.0)


def went_on(crowd):
    """Tell whether the crowd noticed nothing; a busy machine may let Redis be late for a call or two."""
    words = crowd.words()
    return set(words) <= {"200", "limiter_unavailable"} and words["200"] >= 0.99 * len(crowd.said)


@pytest.mark.parametrize("span_s", SPANS)
async def test_postgres_stopped(broken, stores, span_s):
    crowd, hit_at, _ = await broken(stores.postgres.stop, stores.postgres.start, span_s)
    assert went_on(crowd)
    assert crowd.p99_ms(hit_at) < 1000
    assert crowd.longest_s(hit_at) < 5  # nobody waits for the end of the fault


@pytest.mark.parametrize("span_s", SPANS)
async def test_postgres_hung(broken, stores, span_s):
    crowd, hit_at, _ = await broken(stores.postgres.hang, stores.postgres.go_on, span_s)
    assert went_on(crowd)
    assert crowd.p99_ms(hit_at) < 1000
    assert crowd.longest_s(hit_at) < 5  # nobody waits for the end of the fault


@pytest.mark.parametrize("span_s", SPANS)
async def test_redis_killed_and_started_empty(broken, stores, span_s):
    crowd, hit_at, healed_at = await broken(stores.redis.kill, stores.redis.start, span_s)
    assert set(crowd.words()) <= {"200", "limiter_unavailable"}
    assert crowd.words(hit_at, healed_at)["200"] > 0  # what was set aside
    assert crowd.p99_ms(hit_at, healed_at) < 1000
    assert recovered_s(crowd, healed_at) < 2.5


@pytest.mark.parametrize("span_s", SPANS)
async def test_redis_hung(broken, stores, span_s):
    crowd, hit_at, healed_at = await broken(stores.redis.hang, stores.redis.go_on, span_s)
    assert set(crowd.words()) <= {"200", "limiter_unavailable"}
    assert crowd.words(hit_at, healed_at)["200"] > 0
    assert crowd.p99_ms(hit_at, healed_at) < 1000
    assert recovered_s(crowd, healed_at) < 2.5


@pytest.mark.parametrize("times", [pytest.param(2, id="short"), pytest.param(20, id="long", marks=LONG)])
async def test_redis_emptied_under_load(broken, stores, times):
    def flush():
        between = threading.Event()
        for _ in range(times):
            stores.redis.run("FLUSHALL")
            between.wait(0.5)

    flushes = threading.Thread(target=flush)
    crowd, _, _ = await broken(flushes.start, flushes.join, 0.5 * times)
    assert set(crowd.words()) <= {"200", "limiter_unavailable"}
    refused = crowd.words()["limiter_unavailable"]
    assert refused <= 0.2 * len(crowd.said)
