"""PostgreSQL is late, away and back: calls continue, the journal waits, nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.support import sample
from tests.support.books.ledger import whole_ledger
from tests.support.books.money import samples
from tests.support.servers.gateway import Gateway
from tests.support.servers.ports import free_port
from tests.support.servers.upstream import Upstream
from tests.support.stores.postgres import EMPTY, Postgres
from tests.support.stores.redis_server import RedisServer
from tests.support.stores.templates import HAS_ITS_TABLES, prepared_postgres
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    server = prepared_postgres()
    yield server.start()
    server.close()


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    server = RedisServer()
    server.start()
    yield server.url
    server.kill()


def environment(postgres: Postgres, redis: str) -> dict[str, str]:
    return {"ROUTER_DB_URL": postgres.new_database(), "ROUTER_REDIS_URL": redis}


async def ask(client: httpx.AsyncClient, model: str) -> int:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
    return (await client.post("/v1/chat/completions", json=body)).status_code


async def test_calls_go_on_while_postgres_is_away_and_the_ledger_has_each_once(
    gateway_factory: Callable[..., Gateway], postgres: Postgres, redis: str, upstream: Upstream
) -> None:
    gateway = gateway_factory(env=environment(postgres, redis) | HAS_ITS_TABLES)
    async with gateway.client(sample.ALICE) as client:
        codes = [await ask(client, "m1") for _ in range(5)]
        postgres.stop()
        try:

            async def asked() -> str:
                codes.append(await ask(client, "m1"))
                return (await client.get("/readyz")).text

            await eventually(asked, lambda ready: "the database is away" in ready)
            codes += [await ask(client, "m1") for _ in range(20)]
            refused = [await refusal(client) for _ in range(3)]
            waiting = (await samples(gateway))["gateway_journal_unshipped_records"]
        finally:
            await asyncio.to_thread(postgres.start)
        codes += [await ask(client, "m1") for _ in range(5)]

    assert set(codes) == {200}
    assert waiting >= 20
    rows = [row["id"] for row in await whole_ledger(gateway)]
    assert len(rows) == len(set(rows)) == len(codes)

    def logged() -> set[str]:
        return {
            row[0] for row in gateway.sql("SELECT id FROM metering_loggedrequest WHERE http_status = 404")
        }

    await eventually(lambda: asyncio.to_thread(logged), lambda found: found == set(refused))


async def refusal(client: httpx.AsyncClient) -> str:
    """Return the id of a call that is refused."""
    answer = await client.post("/v1/chat/completions", json={"model": "no-such-model", "messages": [{}]})
    assert answer.status_code == 404
    return str(answer.headers["x-request-id"])


def test_gateway_is_live_while_it_waits_for_postgres_and_ready_soon_after(
    gateway_factory: Callable[..., Gateway], postgres: Postgres, redis: str
) -> None:
    gateway = gateway_factory(env=environment(postgres, redis), start=False)
    address = f"127.0.0.1:{free_port()}"
    postgres.stop()
    try:
        gateway.start(address, until="database.waiting")
        alive = httpx.get(f"http://{address}/healthz", trust_env=False)
        ready = httpx.get(f"http://{address}/readyz", trust_env=False)
        refused = httpx.post(f"http://{address}/v1/chat/completions", json={}, trust_env=False)
    finally:
        postgres.start()
    gateway.wait_until_listening()

    assert (alive.status_code, ready.status_code, refused.status_code) == (200, 503, 503)
    assert ready.json()["status"] == "starting"
    assert "it waits for the database: " in ready.json()["reasons"][0]  # and why, for this machine
    assert refused.headers["retry-after"] == "1"
    assert httpx.get(f"{gateway.url}/readyz", trust_env=False).status_code == 200


def test_gateway_gives_up_with_a_reason_when_postgres_never_starts(
    gateway_factory: Callable[..., Gateway], redis: str, closed_port: int
) -> None:
    env = {"ROUTER_DB_URL": f"postgres://x@127.0.0.1:{closed_port}/x", "ROUTER_REDIS_URL": redis}
    gateway = gateway_factory({"database": {"start_timeout": "1s"}}, env=env, start=False)

    with pytest.raises(AssertionError, match="the database did not answer within 1 s"):
        gateway.start()


def test_a_start_without_redis_begins_with_the_reason(
    gateway_factory: Callable[..., Gateway], postgres: Postgres, closed_port: int
) -> None:
    env = {
        "ROUTER_DB_URL": postgres.new_database(EMPTY),
        "ROUTER_REDIS_URL": f"redis://127.0.0.1:{closed_port}/0",
    }
    gateway = gateway_factory({"database": {"start_timeout": "1s"}}, env=env, start=False)

    with pytest.raises(AssertionError, match="Redis did not serve within 1 s"):
        gateway.start()
    said = "\n".join(gateway.logs())
    assert "redis.waiting" in said
    assert "change_unannounced" not in said  # what a start changes is announced once Redis is there


def test_two_gateways_may_prepare_one_database_at_once(
    gateway_factory: Callable[..., Gateway], postgres: Postgres, redis: str
) -> None:
    env = {"ROUTER_DB_URL": postgres.new_database(EMPTY), "ROUTER_REDIS_URL": redis}
    both = [gateway_factory(env=env, start=False) for _ in range(2)]

    starts = [threading.Thread(target=gateway.start) for gateway in both]
    for start in starts:
        start.start()
    for start in starts:
        start.join()

    assert [httpx.get(f"{one.url}/readyz", trust_env=False).status_code for one in both] == [200, 200]
