"""Jobs crash or run twice, and another session locks tables: sums stay right and calls continue."""

from __future__ import annotations

import asyncio
import signal

import psycopg
import pytest
from celery import Celery

from tests.support import sample
from tests.support.books.ledger import whole_ledger
from tests.support.books.money import settled
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway, merged
from tests.support.servers.processes import ServerProcess
from tests.support.stores import stores
from tests.support.waiting import eventually

START_S, DONE_S = 60, 40
WARM = 50
TABLES = ("metering_usageevent", "tenants_apikey", "catalog_price", "budgets_budget", "tenants_configversion")
SUMS = "SELECT SUM(calls), SUM(cost_nanousd) FROM metering_hourlyusage"
TRUTH = "SELECT COUNT(*), SUM(cost_nanousd) FROM metering_usageevent"


@pytest.fixture(scope="module")
def environment():
    with stores.own() as own:
        yield own


@pytest.fixture(scope="module")
def gateway(environment, upstream, closed_port, tmp_path_factory):
    plan = merged(sample.config(upstream.base_url, closed_port), {"server": {"workers": 1}})
    with Gateway(plan, tmp_path_factory.mktemp("jobs") / "data", environment) as server:
        yield server


def celery(gateway, *arguments):
    return ServerProcess("-m", "celery", "-A", "gateway", *arguments, env=gateway.environment)


def worker(gateway):
    """Start a Celery worker and return it once it takes jobs."""
    started = celery(gateway, "worker", "-P", "solo", "-l", "INFO", "--without-gossip", "--without-mingle")
    started.stderr.first(lambda line: True if " ready." in line else None, START_S)
    return started


@pytest.mark.timeout(240)
async def test_job_killed_midway_and_then_run_by_two_counts_once(gateway, upstream, environment):
    upstream.script("up-m1", {})
    answers = await asyncio.gather(*(ask(gateway.url, sample.ALICE, question("m1")) for _ in range(40)))
    assert {answer.status for answer in answers} == {200}
    await settled(gateway)

    with Celery("somebody", broker=environment["ROUTER_REDIS_URL"]) as somebody:

        def ask_for_sums():
            somebody.send_task("metering.roll_up", queue="metering")

        with psycopg.connect(environment["ROUTER_DB_URL"]) as holder:
            holder.execute("LOCK TABLE metering_hourlyusage IN ACCESS EXCLUSIVE MODE")
            doomed = await asyncio.to_thread(worker, gateway)
            ask_for_sums()
            received = "Task metering.roll_up"
            await asyncio.to_thread(
                doomed.stderr.first,
                lambda line: True if received in line and "received" in line else None,
                DONE_S,
            )
            await eventually(lambda: waits(environment), within_s=DONE_S)
            doomed.end(signal.SIGKILL)
        two = await asyncio.gather(*(asyncio.to_thread(worker, gateway) for _ in range(2)))
        for _ in range(6):
            ask_for_sums()
        await eventually(lambda: gateway.sql(SUMS) == gateway.sql(TRUTH), within_s=DONE_S)
    assert [one.end(signal.SIGTERM) for one in two] == [0, 0]
    assert gateway.sql(SUMS) == gateway.sql(TRUTH) == [(40, gateway.sql(TRUTH)[0][1])]
    gateway.manage("reconcile")


def waits(environment):
    """Say whether a session waits inside a transaction for the lock of a table."""
    with psycopg.connect(environment["ROUTER_DB_URL"]) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%metering_hourlyusage%'"
        )
        return found.fetchone() is not None


@pytest.mark.timeout(180)
async def test_calls_go_on_while_a_migration_holds_every_table(gateway, upstream, environment):
    upstream.script("up-m1", {"delay": 0.01})
    before = len(await whole_ledger(gateway))
    said = []
    over = asyncio.Event()

    async def keep_asking():
        while not over.is_set():
            answer = await ask(gateway.url, sample.ALICE, question("m1"))
            said.append("200" if answer.status == 200 else answer.error["code"])

    async def are_answered(count):
        before = said.count("200")
        await eventually(lambda: said.count("200") - before, lambda more: more >= count)

    async def migrate():
        await are_answered(WARM)  # the worker has met the key
        with psycopg.connect(environment["ROUTER_DB_URL"]) as connection:
            connection.execute("SET lock_timeout = '10s'")
            for table in TABLES:
                connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
                connection.execute(f"ALTER TABLE {table} ADD COLUMN of_tomorrow integer".encode())
            await are_answered(WARM)  # or it would be held for ever
        over.set()

    await asyncio.gather(migrate(), *(keep_asking() for _ in range(8)))
    assert set(said) <= {"200", "limiter_unavailable"}  # Redis, on a busy machine
    assert len(await whole_ledger(gateway)) == before + said.count("200")
