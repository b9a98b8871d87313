"""Two gateways on the same stores: one gets the other's measurements of a provider as hints."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from functools import partial

import pytest

from tests.support.clients.raw_calls import ask, question
from tests.support.sample import ALICE, row
from tests.support.stores.postgres import Postgres
from tests.support.stores.redis_server import RedisServer
from tests.support.stores.templates import HAS_ITS_TABLES, prepared_postgres
from tests.support.waiting import eventually

WORKERS = int(os.environ.get("OMG_TEST_WORKERS") or 1)
LOOKS = (
    3  # single calls that may look again while the machine takes its time: 4 s, 8 s, 16 s after the failure
)
PACE_S = 0.3  # between two looks at what takes seconds


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    server = prepared_postgres()
    server.start()
    yield server
    server.close()


@pytest.fixture
async def two_gateways(gateway_factory, upstream, postgres, redis):
    """Yield two gateways with the same catalog."""
    config = {
        "model_catalog": [
            row("told", "up-told-first", upstream.base_url, deployment="first"),
            row("told", "up-told-second", upstream.base_url, deployment="second", priority=1),
            row("limited", "up-limited-first", upstream.base_url, deployment="busy"),
            row("limited", "up-limited-second", upstream.base_url, deployment="idle", priority=1),
        ],
        "health": {"cooldown": "120s"},
    }
    stores = {"ROUTER_DB_URL": postgres.new_database(), "ROUTER_REDIS_URL": redis.url, **HAS_ITS_TABLES}
    gateways = [gateway_factory(config, env=stores) for _ in range(2)]

    async def versions():
        return {await version(gateway) for gateway in gateways}

    await eventually(versions, lambda found: len(found) == 1)
    yield gateways
    for gateway in gateways:
        gateway.stop()


async def version(gateway):
    async with gateway.client() as client:
        return (await client.get("/readyz")).json()["checks"]["catalog_version"]


async def state(gateway, deployment="first"):
    async with gateway.client() as client:
        metrics = (await client.get("/metrics")).text
    [line] = [each for each in metrics.splitlines() if f'state{{deployment="{deployment}"}}' in each]
    return float(line.rpartition(" ")[2])


async def call(gateway, model="told"):
    """Ask until Redis decides in time: on a busy machine 30 ms may be too short, which is another story."""

    async def asked():
        answer = await ask(gateway.url, ALICE, question(model))
        assert answer.status == 200 or answer.error["code"] == "limiter_unavailable"
        return answer

    return await eventually(asked, lambda answer: answer.status == 200)


async def test_breaker_state_reaches_the_other_gateway(two_gateways, upstream):
    """Both stories at once: each has its own alias, and most of the first is waiting."""
    one, other = two_gateways
    async with asyncio.TaskGroup() as stories:
        stories.create_task(
            hears_without_a_call_of_its_own_what_broke_and_what_serves_again(one, other, upstream)
        )
        stories.create_task(does_not_call_who_asked_one_for_patience(one, other, upstream))


async def hears_without_a_call_of_its_own_what_broke_and_what_serves_again(one, other, upstream):
    upstream.script("up-told-first", {"kind": "status", "status": 500})

    async def opened():
        assert (await call(one)).headers["x-gateway-deployment"] == "second"
        return await state(one)

    await eventually(opened, lambda value: value == 0.0)
    failed = len(upstream.seen(model="up-told-first"))
    assert failed <= 5 * WORKERS + LOOKS
    await eventually(
        lambda: state(other), lambda value: value != 1.0, longest_pause_s=PACE_S
    )  # no call has reached it
    assert (await call(other)).headers["x-gateway-deployment"] == "second"
    assert len(upstream.seen(model="up-told-first")) <= failed + LOOKS

    upstream.script("up-told-first", {})

    async def closed(gateway):
        await call(gateway)
        return await state(gateway)

    for gateway in (one, other):  # the rest of five seconds ends; a call looks
        await eventually(partial(closed, gateway), lambda value: value != 0.0, longest_pause_s=PACE_S)
    assert (await call(other)).status == 200


async def does_not_call_who_asked_one_for_patience(one, other, upstream):
    limited = {"kind": "status", "status": 429, "headers": {"retry-after": "120"}}
    upstream.script("up-limited-first", limited)
    assert (await call(one, "limited")).headers["x-gateway-deployment"] == "idle"
    await eventually(lambda: state(other, "busy"), lambda value: value != 1.0)  # no call has reached it
    answer = await call(other, "limited")
    assert (answer.headers["x-gateway-deployment"], answer.headers["x-gateway-attempts"]) == ("idle", "1")
    assert len(upstream.seen(model="up-limited-first")) == 1
