"""PostgreSQL answers two seconds late, or takes no more connections: no call waits for it, and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import psycopg
import pytest

from tests import cents
from tests.cents import Crowd, agree, exhaust
from tests.link import Link
from tests.postgres import Postgres
from tests.redis_server import RedisServer

CENTS = 600
WORKERS = 2
MOST_CONNECTIONS = 30
SPAN_S = 4.0


@pytest.fixture
def postgres():
    server = Postgres(f"max_connections={MOST_CONNECTIONS}")
    server.start()
    yield server
    server.close()


@pytest.fixture
def redis():
    server = RedisServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture
def spender(fresh_gateway, redis, upstream):
    """Return what starts a gateway on this database, whose tenant has so many cents."""

    def start(database):
        upstream.script("up-cents", {"delay": 0.01})
        more = {"server": {"workers": WORKERS}, "database": {"max_conns": 4}}
        env = {"ROUTER_DB_URL": database, "ROUTER_REDIS_URL": redis.url}
        return fresh_gateway(cents.config(upstream.base_url, CENTS, **more), bare=True, env=env)

    return start


@pytest.fixture
def link(postgres):
    """Yield a link to the database that runs in a thread of its own: the tests ask the database too."""
    loop, link = asyncio.new_event_loop(), Link(postgres.port)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(link.mend(), loop).result(5)
    yield link
    asyncio.run_coroutine_threadsafe(link.cut(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def take_all(postgres, held):
    """Open connections until PostgreSQL refuses; they are closed with `held`."""
    for _ in range(2 * MOST_CONNECTIONS):
        try:
            held.enter_context(psycopg.connect(postgres.url))
        except psycopg.OperationalError:
            return
    raise AssertionError("it refuses nobody")


async def test_calls_do_not_wait_for_a_slow_postgres(spender, postgres, link, upstream):
    name = postgres.new_database().rpartition("/")[2]
    gateway = await asyncio.to_thread(spender, f"postgresql://gateway@127.0.0.1:{link.port}/{name}")
    async with Crowd(gateway, 8) as crowd:
        await asyncio.sleep(1.0)  # the keys are known from here on
        link.late_s = 2.0
        await asyncio.sleep(SPAN_S)
        link.late_s = 0.0
    words = crowd.words()
    assert set(words) <= {"200", "limiter_unavailable"}
    assert words["200"] >= 0.99 * len(crowd.said)
    assert crowd.p99_ms() < 1000  # far from what any query took
    rest = await exhaust(gateway)
    await agree(gateway, upstream, [said.answer for said in crowd.said] + rest, CENTS, 30.0)
    await asyncio.to_thread(gateway.stop)


async def test_calls_go_on_while_postgres_takes_no_more_connections(spender, postgres, upstream):
    gateway = await asyncio.to_thread(spender, postgres.new_database())
    with contextlib.ExitStack() as held:
        async with Crowd(gateway, 8) as crowd:
            await asyncio.sleep(1.0)  # as above
            take_all(postgres, held)
            await asyncio.sleep(SPAN_S)
    words = crowd.words()
    assert set(words) <= {"200", "limiter_unavailable"}
    assert words["200"] >= 0.99 * len(crowd.said)
    rest = await exhaust(gateway)
    await agree(gateway, upstream, [said.answer for said in crowd.said] + rest, CENTS, 30.0)
