"""PostgreSQL answers two seconds late, or accepts no connections: no call waits for it, and nothing is lost. Pages
that need it report that soon.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time

import psycopg
import pytest

from tests.support.clients import admin_client, concurrent_clients
from tests.support.clients.concurrent_clients import Crowd, agree, exhaust
from tests.support.faults.tcp_proxy import Link
from tests.support.stores.redis_server import RedisServer
from tests.support.stores.templates import HAS_ITS_TABLES, prepared_postgres
from tests.support.waiting import eventually

CENTS = 400
WORKERS = 2
MOST_CONNECTIONS = 30
ANSWERS = 100
LATE_S = 5.0  # so late that 100 answers to 8 clients that waited for it would take more than a minute
PAGE_S = 8.0  # less than a page needs that waits for three answers of the database
PAGE_LATE_S = 3.0
KEYS = "/admin/ui/tenants/apikey/"


@pytest.fixture
def postgres():
    server = prepared_postgres(f"max_connections={MOST_CONNECTIONS}")
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
def spender(gateway_factory, redis, upstream):
    """Return what starts a gateway on this database, whose tenant has so many cents."""

    def start(database):
        upstream.script("up-cents", {"delay": 0.01})
        more = {"server": {"workers": WORKERS}, "database": {"max_conns": 4}}
        env = {"ROUTER_DB_URL": database, "ROUTER_REDIS_URL": redis.url, **HAS_ITS_TABLES}
        plan = concurrent_clients.config(upstream.base_url, CENTS, **more)
        plan["bootstrap"]["admin_users"] = [admin_client.ROOT]
        return gateway_factory(plan, bare=True, env=env)

    return start


@pytest.fixture
def link(postgres):
    """Yield a link to the database that runs in a thread of its own: the tests ask the database too."""
    loop, link = asyncio.new_event_loop(), Link(postgres.port)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(link.mend(), loop).result(5)
    yield link
    asyncio.run_coroutine_threadsafe(link.cut(), loop).result(60)
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
    raise AssertionError("it refuses no connection")


async def test_calls_do_not_wait_for_a_slow_postgres(spender, postgres, link, upstream):
    name = postgres.new_database().rpartition("/")[2]
    gateway = await asyncio.to_thread(spender, f"postgresql://gateway@127.0.0.1:{link.port}/{name}")
    async with Crowd(gateway, 8) as crowd:
        await crowd.hears(ANSWERS, "200")  # every worker knows the key from here on
        link.late_s = LATE_S
        await crowd.hears(ANSWERS, "200", since=time.monotonic())  # else each client would wait five minutes
        link.late_s = 0.0
    assert set(crowd.words()) <= {"200", "limiter_unavailable"}
    rest = await exhaust(gateway)
    await agree(gateway, upstream, [said.answer for said in crowd.said] + rest, CENTS)
    await asyncio.to_thread(gateway.stop)


async def test_calls_go_on_while_postgres_takes_no_more_connections(spender, postgres, upstream):
    gateway = await asyncio.to_thread(spender, postgres.new_database())
    with contextlib.ExitStack() as held:
        async with Crowd(gateway, 8) as crowd:
            await crowd.hears(ANSWERS, "200")
            take_all(postgres, held)
            await crowd.hears(ANSWERS, "200", since=time.monotonic())
    assert set(crowd.words()) <= {"200", "limiter_unavailable"}
    rest = await exhaust(gateway)
    await agree(gateway, upstream, [said.answer for said in crowd.said] + rest, CENTS)


@contextlib.asynccontextmanager
async def signed_in(gateway):
    async with gateway.client(follow_redirects=True, timeout=PAGE_S) as browser:
        await admin_client.BackOffice(browser).log_in()
        yield browser


async def comes_back(browser):
    await eventually(lambda: browser.get(KEYS), lambda answer: answer.status_code == 200)


async def test_pages_answer_or_say_soon_that_a_slow_postgres_is_why(spender, postgres, link):
    name = postgres.new_database().rpartition("/")[2]
    gateway = await asyncio.to_thread(spender, f"postgresql://gateway@127.0.0.1:{link.port}/{name}")
    async with signed_in(gateway) as browser:
        link.late_s = PAGE_LATE_S
        first, *later = [await browser.get(KEYS) for _ in range(3)]
        assert {answer.status_code for answer in (first, *later)} <= {200, 503}
        assert later[-1].status_code == 503
        assert "The database does not answer" in later[-1].text
        assert later[-1].headers["retry-after"]
        await eventually(lambda: browser.get("/"), lambda answer: answer.status_code == 200)
        link.late_s = 0.0
        await comes_back(browser)
    await asyncio.to_thread(gateway.stop)


async def test_pages_say_soon_that_postgres_hangs_or_is_gone(spender, postgres):
    gateway = await asyncio.to_thread(spender, postgres.new_database())
    async with signed_in(gateway) as browser:
        for fault, heal in ((postgres.hang, postgres.go_on), (postgres.stop, postgres.start)):
            await asyncio.to_thread(fault)
            answers = [await browser.get(KEYS) for _ in range(4)]
            assert {answer.status_code for answer in answers} == {503}
            assert all("The database does not answer" in answer.text for answer in answers)
            for path in (
                "/",
                "/readme",
                "/readyz",
                "/metrics",
            ):  # they ask it nothing, not even the signed-in user
                assert (await browser.get(path)).status_code == 200, path
            await asyncio.to_thread(heal)
            await comes_back(browser)
