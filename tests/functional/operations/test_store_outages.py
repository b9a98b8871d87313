"""A store of production mode stops, hangs or loses its data under load: calls continue as far as is promised, and
afterwards the budget was spent to the last cent and not one cent more.

A fault lasts until so many calls were answered, as proof that they do not wait for its end; a minute in `make soak`.
"""

from __future__ import annotations

import asyncio
import re
import time

import pytest

from tests.support.clients import concurrent_clients
from tests.support.clients.concurrent_clients import Crowd, agree, exhaust
from tests.support.clients.raw_calls import ask, question
from tests.support.stores.redis_server import RedisServer
from tests.support.stores.templates import HAS_ITS_TABLES, prepared_postgres
from tests.support.waiting import eventually

ANSWERS = 60  # before a fault, during it and after it
CENTS_A_SECOND = 170  # more than the crowd can ask for
LATE = "limiter_unavailable"  # what Redis decides too late, or not at all, is refused
LONG = [pytest.mark.soak, pytest.mark.timeout(600)]
SPANS = [pytest.param(0.0, id="short"), pytest.param(60.0, id="long", marks=LONG)]


class Stores:
    """A PostgreSQL and a Redis of the test's own."""

    def __init__(self):
        self.postgres, self.redis = prepared_postgres(), RedisServer()


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
def spending(gateway_factory, stores, upstream):
    """Return a function that starts two workers whose tenant has so many cents, on empty stores."""

    def start(limit):
        stores.redis.run("FLUSHALL")
        database = stores.postgres.new_database()
        env = {"ROUTER_DB_URL": database, "ROUTER_REDIS_URL": stores.redis.url, **HAS_ITS_TABLES}
        upstream.script("up-cents", {"delay": 0.01})
        plan = concurrent_clients.config(
            upstream.base_url, limit, server={"workers": 2}, database={"max_conns": 4}
        )
        return gateway_factory(plan, bare=True, env=env)

    return start


@pytest.fixture
def broken(spending, stores, upstream):
    """Return what lets a crowd spend before each fault, while it lasts, and after it; `words` are promised meanwhile.

    A fault comes with what heals it.
    """

    async def run(faults, span_s, *words):
        limit = (2 + 4 * len(faults)) * ANSWERS + int(CENTS_A_SECOND * span_s * len(faults))
        gateway = spending(limit)
        async with Crowd(gateway) as crowd:
            for fault, heal in faults:
                await crowd.hears(ANSWERS, "200", since=time.monotonic())
                await eventually(lambda: setting_aside(stores.redis) == 2)
                hit_at = await hit(crowd, fault, span_s, words)
                healed_at = time.monotonic()
                await asyncio.to_thread(heal)
                await crowd.hears(ANSWERS, "200", since=healed_at)
                report(crowd, hit_at, healed_at)
        assert set(crowd.words()) <= {"200", LATE}
        rest = await exhaust(gateway)
        await agree(gateway, upstream, [said.answer for said in crowd.said] + rest, limit)

    return run


async def hit(crowd, fault, span_s, words):
    """Let a fault last; return when it came (monotonic)."""
    await asyncio.to_thread(fault)
    hit_at = time.monotonic()
    await asyncio.sleep(span_s)
    await crowd.hears(ANSWERS, *words, since=hit_at)
    return hit_at


def setting_aside(redis):
    """Return how many workers have money set aside for an outage."""
    keys = re.findall(rb"omg:\{t\d+\}:aside:tenant:\d+", redis.run("KEYS", "omg:*:aside:tenant:*"))
    return sum(int(redis.run("HLEN", key.decode())[1:]) - 1 for key in keys)  # without the mark


def report(crowd, hit_at, healed_at):
    back = min(said.at + said.seconds for said in crowd.said if said.at >= healed_at and said.word == "200")
    print(  # noqa: T201 - the figures
        f"before: p99 {crowd.p99_ms(until=hit_at):.0f} ms; during: {dict(crowd.words(hit_at, healed_at))}, p99 "
        f"{crowd.p99_ms(hit_at, healed_at):.0f} ms; served again after {back - healed_at:.2f} s"
    )


@pytest.mark.parametrize("span_s", SPANS)
async def test_calls_go_on_while_postgres_is_stopped_or_hung(broken, stores, span_s):
    postgres = stores.postgres
    await broken([(postgres.stop, postgres.start), (postgres.hang, postgres.go_on)], span_s, "200")


@pytest.mark.parametrize("span_s", SPANS)
async def test_calls_go_on_while_redis_hangs_is_killed_and_starts_empty(broken, stores, span_s):
    redis = stores.redis
    await broken([(redis.hang, redis.go_on), (redis.kill, redis.start)], span_s, "200", LATE)


@pytest.mark.parametrize(("fault", "heal"), [("kill", "start"), ("hang", "go_on")])
async def test_calls_go_on_from_the_outage_allowance(spending, stores, fault, heal):
    gateway = spending(8 * ANSWERS)
    async with Crowd(
        gateway, clients=2
    ):  # so few that Redis is not late: what is set aside is for its absence
        await eventually(lambda: setting_aside(stores.redis) == 2)
    await asyncio.to_thread(getattr(stores.redis, fault))
    words = [
        concurrent_clients.word_of(await ask(gateway.url, concurrent_clients.KEY, question("cent")))
        for _ in range(4 * ANSWERS // 10)
    ]
    assert words[0] == "200"
    assert set(words) == {"200", LATE}  # and when that is spent, nothing is granted that cannot be counted
    await asyncio.to_thread(getattr(stores.redis, heal))


@pytest.mark.parametrize("times", [pytest.param(2, id="short"), pytest.param(20, id="long", marks=LONG)])
async def test_no_overspend_when_redis_is_emptied_under_load(spending, stores, upstream, times):
    limit = (times + 2) * ANSWERS
    gateway = spending(limit)
    async with Crowd(gateway) as crowd:
        await crowd.hears(ANSWERS, "200")
        for _ in range(times):
            await asyncio.to_thread(stores.redis.run, "FLUSHALL")
            await crowd.hears(ANSWERS // 2, "200", since=time.monotonic())
    assert set(crowd.words()) <= {"200", LATE}
    rest = await exhaust(gateway)
    await agree(gateway, upstream, [said.answer for said in crowd.said] + rest, limit)
