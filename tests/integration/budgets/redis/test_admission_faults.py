from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from budgets.admission.interface import Limits, ScopeRules
from budgets.redis.client.protocol import RedisProtocol
from tests.integration.budgets.redis_workers import UNHURRIED_S, Crew, rules
from tests.support.stores.redis_server import RedisServer
from tests.support.waiting import eventually

DOLLAR = 1_000_000_000
IMPATIENT_S = 0.03


async def serve(crew: Crew, scopes: tuple[ScopeRules, ...], hold: int, calls: int) -> int:
    """Let 16 callers make calls that cost what they hold; return what all granted calls cost."""
    spent = 0

    async def caller() -> None:
        nonlocal spent
        for _ in range(calls // 16):
            name = await crew.ask(scopes, hold)
            if name.startswith("call-"):
                spent += hold
                await asyncio.sleep(0)
                await crew.settle(name, hold)

    await asyncio.gather(*(caller() for _ in range(16)))
    return spent


async def until_granted(crew: Crew, scopes: tuple[ScopeRules, ...], hold: int) -> None:
    await eventually(lambda: crew.ask(scopes, hold), lambda outcome: outcome.startswith("call-"))


async def test_no_overspend_when_redis_loses_all_data_under_load(
    redis_server: RedisServer,
) -> None:
    dice = random.Random(11)
    for turn in range(5):
        async with Crew(redis_server.url, 2, UNHURRIED_S, UNHURRIED_S) as crew:
            scopes = rules(5000, tenant=20 + turn)
            load = asyncio.create_task(serve(crew, scopes, 10, 1600))
            for _ in range(4):
                await asyncio.sleep(dice.random() * 0.05)
                await asyncio.to_thread(redis_server.run, "FLUSHALL")
            assert (await load, crew.outcomes["unavailable"]) == (5000, 0), crew.refusals[:3]


async def test_a_tenant_is_served_after_a_flush_once_its_sum_is_loaded_from_the_ledger(
    redis_server: RedisServer,
) -> None:
    async with Crew(redis_server.url, 2) as crew:
        scopes = rules(5000, tenant=30)
        await crew.burst(scopes, 10, 100)
        await asyncio.to_thread(redis_server.run, "FLUSHALL")
        loads = crew.ledger.loads
        await until_granted(crew, scopes, 10)
        assert 1 <= crew.ledger.loads - loads <= len(crew.workers)
        served, late = 100 + 1, 500
        while late:  # a call decided too late, on a busy machine, is tried again
            before = crew.outcomes["unavailable"]
            served += len(await crew.burst(scopes, 10, late))
            late = crew.outcomes["unavailable"] - before
        assert served == 500


async def test_a_hung_redis_delays_no_call_and_allows_no_overspend(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    send = RedisProtocol.send

    def counted(wire: RedisProtocol, *command: str | bytes | int) -> asyncio.Future[Any]:
        sent.append(command[0])
        return send(wire, *command)

    async with Crew(redis_server.url, 1, IMPATIENT_S) as crew:
        small, free = rules(50_000, tenant=31), rules(0, Limits(8), tenant=32)
        await until_granted(crew, small, 10)
        await until_granted(crew, free, 0)
        before = crew.outcomes["granted"]
        redis_server.hang()
        monkeypatch.setattr(RedisProtocol, "send", counted)
        try:  # all of it ends while Redis still hangs
            names = [await crew.ask(small, 10) for _ in range(30)]
            shared = [await crew.ask(free, 0) for _ in range(20)]
        finally:
            monkeypatch.undo()
            redis_server.go_on()
        assert set(names) == {"unavailable"}  # a small budget has nothing set aside
        assert shared.count("requests") == 12
        assert crew.outcomes["granted"] == before + 8
        assert (
            5 <= len(sent) < len(names + shared)
        )  # most did not even ask: unit/budgets/redis/client/test_reconnect_backoff.py
        await until_granted(crew, small, 10)
        limit_status = await crew.workers[0].status(small)
        assert limit_status.budget is not None
        assert limit_status.budget.held_nanousd % 10 == 0


async def until_spent(crew: Crew, scopes: tuple[ScopeRules, ...], hold: int) -> list[str]:
    """Ask until every answer is that the budget is spent: "ask again" on a busy machine is none."""
    granted: list[str] = []
    while True:
        late = crew.outcomes["unavailable"]
        some = await crew.burst(scopes, hold, 100, at_once=16)
        granted += some
        if not some and crew.outcomes["unavailable"] == late:
            return granted


async def test_outage_is_served_from_the_allowance_and_never_beyond_it(
    redis_server: RedisServer,
) -> None:
    async with Crew(redis_server.url, 2, 0.2) as crew:
        limit = 10 * DOLLAR
        scopes = rules(limit, tenant=33)
        for _ in crew.workers:
            await until_granted(crew, scopes, DOLLAR)
        await set_aside(redis_server, 33, 2)
        redis_server.hang()
        try:
            offline = await crew.burst(scopes, DOLLAR // 50, 40, at_once=4)
        finally:
            redis_server.go_on()
        assert len(offline) == 10  # 1 % of ten dollars, twice
        await until_granted(crew, scopes, DOLLAR)
        rest = await until_spent(crew, scopes, DOLLAR // 50)
        held = DOLLAR // 50 * (len(offline) + len(rest)) + 3 * DOLLAR
        assert held <= limit
        assert held >= limit * 0.98


async def set_aside(redis_server: RedisServer, tenant: int, workers: int) -> None:
    """Return when so many workers have set money aside for the tenant, beside the mark."""
    key = f"omg:{{t{tenant}}}:aside:tenant:{tenant}"
    await eventually(  # they do it once a second
        lambda: asyncio.to_thread(redis_server.run, "HLEN", key),
        lambda said: said == b":%d\r\n" % (workers + 1),
    )


@pytest.mark.usefixtures("frequent_upkeep")
async def test_outage_allowance_is_not_held_and_refuses_no_call(redis_server: RedisServer) -> None:
    async with Crew(redis_server.url, 2) as crew:
        limit = 10 * DOLLAR
        scopes = rules(limit, tenant=35)
        for _ in crew.workers:
            await until_granted(crew, scopes, DOLLAR)
        await set_aside(redis_server, 35, 2)
        limit_status = await crew.workers[0].status(scopes)
        assert limit_status.budget is not None
        assert limit_status.budget.held_nanousd == 2 * DOLLAR
        assert len(await crew.burst(scopes, DOLLAR // 50, 500)) == 400
        assert crew.outcomes["unavailable"] == 0


async def test_grants_of_a_dead_worker_that_were_never_journaled_are_released(
    redis_server: RedisServer,
) -> None:
    async with Crew(redis_server.url, 2) as crew:
        scopes = rules(1000, Limits(parallel_requests=2), tenant=37)
        first, second = [await crew.ask(scopes, 500) for _ in range(2)]
        living, dead = crew.workers  # the first call went to the second worker
        assert await crew.ask(scopes, 500) == "parallel"
        await living.release_worker(dead.worker)
        limit_status = await living.status(scopes)
        assert limit_status.budget is not None
        assert limit_status.budget.held_nanousd == 500
        assert (await crew.ask(scopes, 500)).startswith("call-")
        await crew.settle(second, 500)
        assert first != second


@pytest.mark.usefixtures("frequent_upkeep")
async def test_the_reserve_of_a_dead_worker_is_released_once_its_end_is_proven(
    redis_server: RedisServer,
) -> None:
    async with Crew(redis_server.url, 1) as crew:
        scopes = rules(10 * DOLLAR, tenant=36)
        await until_granted(crew, scopes, DOLLAR)
        await set_aside(redis_server, 36, 1)
        left_behind = "redis.call('HSET', KEYS[1], 'dead', struct.pack('<dd', 1e8, 1e12))"
        key = "omg:{t36}:aside:tenant:36"
        await asyncio.to_thread(redis_server.run, "EVAL", left_behind, "1", key)
        assert await crew.ask(scopes, 9 * DOLLAR) == "unavailable"  # it may live elsewhere, and spend
        await crew.workers[0].release_worker("dead")
        assert (await crew.ask(scopes, 9 * DOLLAR)).startswith("call-")


async def test_calls_that_ran_through_a_crash_of_redis_still_count(redis_server: RedisServer) -> None:
    async with Crew(redis_server.url, 2, 0.2) as crew:
        scopes = rules(1000, tenant=34)
        running = await crew.burst(scopes, 10, 60)
        redis_server.kill()
        await asyncio.gather(*(crew.settle(name, 8) for name in running[:30]))  # Redis cannot be reached
        redis_server.start()
        await until_granted(crew, scopes, 10)
        more = await crew.burst(scopes, 10, 200)
        assert 30 * 8 + 30 * 10 + 10 + 10 * len(more) <= 1000
        assert len(more) >= 44


async def test_totals_are_unchanged_after_a_redis_hang(redis_server: RedisServer) -> None:
    async with Crew(redis_server.url, 1, IMPATIENT_S) as crew:
        [worker], scopes = crew.workers, rules(50_000, Limits(8), tenant=38)
        await until_granted(crew, scopes, 10)
        running = await crew.ask(scopes, 10)
        before = await worker.status(scopes)
        redis_server.hang()
        try:
            assert await worker.status(scopes) == before
            assert await worker.settle(running, 1, 5) == before
        finally:
            redis_server.go_on()
        assert before.budget is not None
        assert before.rate is not None
