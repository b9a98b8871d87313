"""/readyz and the metrics show the state of the stores, the same on every worker: Redis away, hanging, with another
password or full; PostgreSQL away. An outage does not fill the log.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import datetime

import pytest
from redis import Redis

from tests.support import sample
from tests.support.books.money import samples
from tests.support.books.why import stories_of
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway
from tests.support.servers.processes import ServerProcess
from tests.support.sources import MANAGE
from tests.support.stores.redis_server import RedisServer
from tests.support.stores.templates import HAS_ITS_TABLES, prepared_postgres
from tests.support.waiting import eventually

WORKERS = 2
PASSWORD = "a-new-one"
NOTHING_SET_ASIDE = {"budgets": {"default_usd": 0.9}}  # of less than a dollar, nothing is kept for an outage
LOOKS = 12  # so many new connections reach both workers


@pytest.fixture(scope="module")
def redis():
    server = RedisServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def postgres():
    server = prepared_postgres()
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, redis, postgres, tmp_path_factory):
    config = (
        sample.config(upstream.base_url, closed_port) | {"server": {"workers": WORKERS}} | NOTHING_SET_ASIDE
    )
    env = {"ROUTER_DB_URL": postgres.new_database(), "ROUTER_REDIS_URL": redis.url, **HAS_ITS_TABLES}
    with Gateway(config, tmp_path_factory.mktemp("health") / "data", env) as server:
        yield server


async def looks(gateway, *wanted):
    """Return what /readyz says to clients that come one after another: their answers, counted.

    The first answer that does not begin as wanted is the last.
    """
    found: Counter[tuple[object, ...]] = Counter()
    for _ in range(LOOKS):
        async with gateway.client() as client:
            answer = await client.get("/readyz")
        said = answer.json()
        checks = said.get("checks", {})
        look = (
            answer.status_code,
            said["status"],
            checks.get("redis"),
            checks.get("database"),
            checks.get("ledger", "")[:12],
        )
        found[look] += 1
        if look[: len(wanted)] != wanted:
            break
    return found


async def metrics_say(gateway, **stores):
    """Wait until the metrics say this of these stores: they are read at the scrape, /readyz a second before."""

    async def read():
        found = await samples(gateway)
        return {store: found[f'gateway_store_up{{store="{store}"}}'] for store in stores}

    await eventually(read, lambda found: found == stores)


async def all_say(gateway, *wanted, why=""):
    """Wait until every look has one answer, which begins like this and states this reason of Redis.

    Until a worker has tried to connect again, the reason is that Redis does not answer.
    """

    def agrees(found):
        return [*found.values()] == [LOOKS] and why in next(iter(found))[2]

    await eventually(lambda: looks(gateway, *wanted), agrees)


async def is_well(gateway):
    await all_say(gateway, 200, "ready", "ok", "ok")
    await metrics_say(gateway, redis=1.0, database=1.0, journal=1.0)


def kill(redis):
    redis.kill()


def hang(redis):
    redis.hang()


def ask_for_a_password(redis):
    with Redis(port=redis.port, single_connection_client=True) as client:  # signed-in users stay signed in
        client.config_set("requirepass", PASSWORD)
        for kind in ("normal", "pubsub"):
            client.execute_command("CLIENT", "KILL", "TYPE", kind)


def start(redis):
    redis.start()


def go_on(redis):
    redis.go_on()


def restart(redis):
    redis.kill()
    redis.start()


FAULTS = {  # and what /readyz says of it
    (kill, start): "Connection refused",
    (hang, go_on): "it does not answer",
    (ask_for_a_password, restart): "NOAUTH",
}


async def test_a_redis_that_lets_no_call_through_makes_every_worker_unready(gateway, redis):
    refusals = []
    await is_well(gateway)
    for (fault, heal), why in FAULTS.items():
        await asyncio.to_thread(fault, redis)
        try:
            await all_say(gateway, 503, "unready", why=why)
            await metrics_say(gateway, redis=0.0, database=1.0)
            refused = await ask(gateway.url, sample.ALICE, question("chat"))
            assert (refused.status, refused.error["code"]) == (503, "limiter_unavailable"), why
            refusals.append(refused.id)
        finally:
            await asyncio.to_thread(heal, redis)
        await is_well(gateway)
        assert (await ask(gateway.url, sample.ALICE, question("chat"))).status == 200, why
    for story in await stories_of(gateway, refusals):
        assert "Redis did not answer, so its limits could not be checked" in story


async def test_a_redis_that_takes_no_writes_is_known_from_the_first_call_on(gateway, redis):
    await is_well(gateway)
    redis.run("CONFIG", "SET", "maxmemory", "1")
    try:

        async def asked():
            await ask(gateway.url, sample.BOB, question("chat"))
            async with gateway.client() as client:
                return (await client.get("/readyz")).json()["checks"]["redis"]

        await eventually(asked, lambda said: said.startswith("OOM"))
    finally:
        redis.run("CONFIG", "SET", "maxmemory", "0")
    await is_well(gateway)


async def test_every_worker_reports_a_postgres_outage_and_its_lag_in_few_log_lines(gateway, postgres):
    await is_well(gateway)
    assert (
        await ask(gateway.url, sample.ALICE, question("chat"))
    ).status == 200  # so that both workers know the key
    assert (await ask(gateway.url, sample.ALICE, question("chat"))).status == 200
    before = len(gateway.logs())
    postgres.stop()
    try:
        await all_say(gateway, 200, "ready", "ok", "away, or late", "the database")
        await metrics_say(gateway, database=0.0)
        for _ in range(20):
            assert (await ask(gateway.url, sample.ALICE, question("chat"))).status in {200, 503}

        async def waiting():
            found = set()
            for _ in range(LOOKS):
                async with gateway.client() as client:
                    found.add((await client.get("/readyz")).json()["checks"]["unshipped_records"])
            return found

        await eventually(waiting, lambda found: len(found) == 1 and found != {0})
        async with gateway.client() as client:
            for _ in range(20):
                assert (await client.get("/admin/ui/")).status_code in {200, 302, 503}
    finally:
        await asyncio.to_thread(postgres.start)
    await is_well(gateway)
    told = [line for line in gateway.logs()[before:] if '"event":"request"' not in line]
    assert [line for line in told if "raceback" in line] == []
    # One line of an event in ten seconds and process: a slow machine has a longer outage, and so a few lines more.
    instants = [datetime.fromisoformat(json.loads(line)["at"]) for line in told if line.startswith("{")]
    most = 60 + 2 * (max(instants) - min(instants)).total_seconds()
    assert len(told) <= most, "\n".join(told)


@pytest.fixture(scope="module")
def locked():
    """Yield a Redis with a password."""
    server = RedisServer()
    server.start()
    server.run("CONFIG", "SET", "requirepass", PASSWORD)
    yield server
    server.kill()


def test_a_start_waits_for_redis_and_says_why_and_gives_up(gateway, locked):
    url = locked.url.replace("redis://", "redis://:wrong@")
    env = {**gateway.environment, "ROUTER_REDIS_URL": url, "ROUTER_DATABASE_START_TIMEOUT": "1s"}
    env["ROUTER_DATA_DIR"] = str(gateway.data_dir.with_name("other"))
    serving = ServerProcess(MANAGE, "serve", "--bind", "127.0.0.1:0", env=env, cwd=gateway.data_dir.parent)
    assert serving.end(None, 60) == 1
    said = "\n".join(serving.stderr.all())
    assert "redis.waiting" in said
    assert "Redis did not serve within 1 s: invalid username-password pair" in said
    assert "ROUTER_REDIS_URL" in said
    assert "Traceback" not in said
    assert ":wrong@" not in said


@pytest.mark.parametrize(
    ("url", "why", "database", "why_not"),
    [
        (
            "redis://:wrong@127.0.0.1:{locked}/0",
            "invalid username-password pair",
            "{own}-not",
            "does not exist",
        ),
        (
            "redis://127.0.0.1:{locked}/0",
            "HELLO must be called",
            "postgres://u:wrong@127.0.0.1:{closed}/x",
            "Connection refused",
        ),
        ("redis://127.0.0.1:{port}/4000", "DB index is out of range", "{own}", ""),
        ("redis://127.0.0.1:{closed}/0", "Connection refused", "{own}", ""),
        (
            "redis://no-such-host.invalid:6379/0",
            "no-such-host.invalid",
            "postgres://u:wrong@no-such-host.invalid/x",
            "no-such-host.invalid",
        ),
    ],
)
def test_check_reports_why_each_store_does_not_serve(
    gateway, redis, locked, closed_port, url, why, database, why_not
):
    """PostgreSQL's own reason: the pool would only say that it has waited."""
    env = {
        **gateway.environment,
        "ROUTER_REDIS_URL": url.format(port=redis.port, locked=locked.port, closed=closed_port),
        "ROUTER_DB_URL": database.format(own=gateway.environment["ROUTER_DB_URL"], closed=closed_port),
    }
    checking = ServerProcess(MANAGE, "check", env=env, cwd=gateway.data_dir.parent)
    assert checking.end(None, 60) == 1
    lines = checking.stderr.all()
    said = "\n".join(lines)
    [of_redis] = [line for line in lines if "(gateway.E003) Redis does not serve: " in line]
    assert why in of_redis
    of_postgres = [line for line in lines if "gateway.E004" in line]
    assert len(of_postgres) == bool(why_not)
    assert all("The database does not answer: " in line and why_not in line for line in of_postgres)
    assert "wrong" not in said
