"""Redis answers with errors (a full disk, no memory, no replicas, a defect): the same as if it were away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from budgets.redis.admission import RedisAdmission
from budgets.redis.client.connection import RedisConnection
from tests.integration.budgets.redis_workers import Crew, rules
from tests.support.logged import logged
from tests.support.stores.redis_server import RedisServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("frequent_upkeep")

LIMIT, HOLD, COST = 1000, 10, 4


def errors(server: RedisServer) -> int:
    """Return how many commands the server has answered with an error."""
    about = server.run("INFO", "stats").decode()
    return int(about.split("total_error_replies:")[1].split("\r\n")[0])


@asynccontextmanager
async def unable(server: RedisServer, setting: str) -> AsyncIterator[None]:
    """Let the server refuse every command that writes."""
    await asyncio.to_thread(server.run, "CONFIG", "SET", setting, "1")
    try:
        yield
    finally:
        await asyncio.to_thread(server.run, "CONFIG", "SET", setting, "0")


@asynccontextmanager
async def confused(server: RedisServer, tenant: int) -> AsyncIterator[None]:
    """Let the scripts fail on what they find, as after any defect."""
    key = f"omg:{{t{tenant}}}:calls"
    exchange = "redis.call('RENAME', KEYS[1], KEYS[2]); redis.call('SET', KEYS[1], 'nonsense')"
    await asyncio.to_thread(server.run, "EVAL", exchange, "2", key, f"{key}:mine")
    try:
        yield
    finally:
        await asyncio.to_thread(server.run, "RENAME", f"{key}:mine", key)


async def held(worker: RedisAdmission, tenant: int) -> tuple[int, int]:
    limit_status = await worker.status(rules(LIMIT, tenant=tenant))
    assert limit_status.budget is not None
    return limit_status.budget.spent_nanousd, limit_status.budget.held_nanousd


async def until_told(worker: RedisAdmission, tenant: int, expected: tuple[int, int]) -> None:
    await eventually(lambda: held(worker, tenant), lambda found: found == expected)


@pytest.mark.parametrize("setting", ["min-replicas-to-write", "maxmemory"])
async def test_calls_get_a_clear_refusal_and_ends_are_posted_later(
    redis_server: RedisServer, setting: str
) -> None:
    tenant = 60 + len(setting)
    async with Crew(redis_server.url, 2) as crew:
        scopes = rules(LIMIT, tenant=tenant)
        running = await crew.ask(scopes, HOLD)
        async with unable(redis_server, setting):
            assert await crew.ask(scopes, HOLD) == "unavailable"
            await crew.settle(running, COST)
            await crew.workers[0].publish_totals([], ["a call of another worker"], is_adopted=True)
        await until_told(crew.workers[0], tenant, (COST, 0))


async def test_a_defect_of_a_script_loses_no_paid_answer(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with Crew(redis_server.url, 1) as crew:
        scopes = rules(LIMIT, tenant=62)
        running = await crew.ask(scopes, HOLD)
        async with confused(redis_server, 62):
            await crew.settle(running, COST)
            assert await crew.ask(scopes, HOLD) == "unavailable"
        await until_told(crew.workers[0], 62, (COST, 0))
    errors = [each["error"] for each in logged(caplog, "redis.command.invalid")]
    assert len([error for error in errors if "WRONGTYPE" in error]) == 1  # however many commands it refused


async def test_periodic_work_goes_on_after_errors(redis_server: RedisServer) -> None:
    async with Crew(redis_server.url, 2) as crew:
        scopes = rules(LIMIT, tenant=63)
        running = await crew.ask(scopes, HOLD)
        async with unable(redis_server, "min-replicas-to-write"):
            await crew.settle(running, COST)
            refused = errors(redis_server)
            await eventually(lambda: errors(redis_server) > refused + 1)  # only periodic work sends commands
        await until_told(crew.workers[0], 63, (COST, 0))


async def test_periodic_work_goes_on_after_a_defect(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    turns: list[str] = []

    async def flush(_: object) -> None:
        turns.append("turn")
        raise ValueError

    async with Crew(redis_server.url, 1):
        with monkeypatch.context() as patch:
            patch.setattr("budgets.redis.outbox.Outbox.flush", flush)
            await eventually(lambda: len(turns) > 1)
    assert logged(caplog, "redis.maintenance.failed")


async def test_client_connects_while_nothing_can_be_written(redis_server: RedisServer) -> None:
    redis_server.run("FLUSHALL")  # its life has no name yet
    async with unable(redis_server, "min-replicas-to-write"):
        crew = Crew(redis_server.url, 1)
        await crew.workers[0].open()
    try:
        await eventually(lambda: crew.workers[0].is_up)
    finally:
        await crew.workers[0].aclose()


async def test_client_goes_on_connecting_whatever_answers(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    proper, tries = RedisConnection._shake_hands, []  # noqa: SLF001 - what a proxy answers there is up to it

    async def improper(self: RedisConnection, wire: object) -> None:
        tries.append(wire)
        if len(tries) == 1:
            raise KeyError("run_id")
        await proper(self, wire)  # type: ignore[arg-type]

    monkeypatch.setattr(RedisConnection, "_shake_hands", improper)
    connection = RedisConnection(redis_server.url, "omg:workers")
    await connection.open()
    try:
        await eventually(lambda: connection.is_up)
    finally:
        await connection.aclose()
    assert logged(caplog, "redis.command.failed")
    assert "run_id" in caplog.text
