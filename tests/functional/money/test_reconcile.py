"""In production mode `reconcile` also compares what Redis counts with the ledger, beside a gateway that serves."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.books.money import settled
from tests.support.clients import concurrent_clients
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway
from tests.support.stores.redis_server import RedisServer
from tests.support.stores.templates import HAS_ITS_TABLES, prepared_postgres


@pytest.fixture(scope="module")
def redis():
    server = RedisServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def gateway(upstream, tmp_path_factory, redis):
    postgres = prepared_postgres()
    try:
        postgres.start()
        own = {"ROUTER_DB_URL": postgres.new_database(), "ROUTER_REDIS_URL": redis.url, **HAS_ITS_TABLES}
        plan = concurrent_clients.config(upstream.base_url, 100, server={"workers": 2})
        plan["model_catalog"][0]["timeouts"] = {"first_byte": "30s"}
        with Gateway(plan, tmp_path_factory.mktemp("compared") / "data", own) as server:
            yield server
    finally:
        postgres.close()


def said(lines):
    return next(line for line in lines if line.startswith("Redis"))


async def reconcile(gateway, code=0):
    return await asyncio.to_thread(gateway.manage, "reconcile", code=code)


async def test_reconcile_reports_running_calls_and_their_holds(gateway, upstream):
    upstream.script("up-cents", {})
    assert {(await ask(gateway.url, concurrent_clients.KEY, question("cent"))).status for _ in range(5)} == {
        200
    }
    await settled(gateway)
    upstream.script("up-cents", {"hold_before_head": True})
    arrived = len(upstream.seen(model="up-cents"))
    running = asyncio.create_task(ask(gateway.url, concurrent_clients.KEY, question("cent")))
    await upstream.wait("arrived", model="up-cents", count=arrived + 1)
    assert said(await reconcile(gateway)) == (
        "Redis (1 with budgets): 1 running, holding 0.010000000 USD; 0 ended and not in the ledger yet"
    )
    upstream.script("up-cents", {})
    upstream.release(model="up-cents")
    assert (await running).status == 200


async def test_reconcile_compares_nothing_after_data_loss(gateway, redis):
    await settled(gateway)
    redis.run("FLUSHALL")
    assert said(await reconcile(gateway)).startswith("Redis (0 with budgets)")
    assert (await ask(gateway.url, concurrent_clients.KEY, question("cent"))).status == 200
    await settled(gateway)
    assert said(await reconcile(gateway)).startswith(
        "Redis (1 with budgets): 0 running, holding 0.000000000 USD"
    )


async def test_reconcile_names_differences_and_exits_with_an_error(gateway):
    await settled(gateway)
    gateway.sql("UPDATE budgets_spendwindow SET spent_nanousd = spent_nanousd + ?", concurrent_clients.CENT)
    lines = await reconcile(gateway, code=1)
    assert any("counted in Redis 0.07 USD in all, but the ledger has 0.08 USD" in line for line in lines)


async def test_reconcile_without_redis_reports_that_nothing_was_compared(gateway, redis):
    redis.kill()
    lines = await reconcile(gateway, code=1)
    redis.start()
    assert any(line.strip("- ").startswith("Redis was not compared: ") for line in lines)
