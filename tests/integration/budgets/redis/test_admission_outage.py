"""A long outage of Redis: calls without a budget continue, and leave behind only what Redis must get."""

from __future__ import annotations

import asyncio
import gc

from budgets.admission.interface import AdmissionRequest, Limits, ScopeRules, WindowTotal
from budgets.redis.admission import RedisAdmission
from budgets.redis.held_calls import HeldCall
from tests.integration.budgets.redis.test_admission_faults import DOLLAR, set_aside, until_granted
from tests.integration.budgets.redis.test_admission_posts import window_of
from tests.integration.budgets.redis_workers import Crew, rules
from tests.support.stores.redis_server import RedisServer
from tests.support.waiting import eventually

CALLS = 100


def remembered() -> int:
    """Return how many calls are anywhere in memory."""
    gc.collect()
    return sum(isinstance(each, HeldCall) for each in gc.get_objects())


async def stop(server: RedisServer, worker: RedisAdmission) -> None:
    """Kill Redis; return when the worker has noticed: nothing is on its way any more."""
    server.kill()
    await eventually(lambda: not worker.is_up)


async def serve(crew: Crew, scopes: tuple[ScopeRules, ...], hold: int, cost: int) -> list[str]:
    """Make calls; return the granted ones."""
    names = [await crew.ask(scopes, hold) for _ in range(CALLS)]
    granted = [name for name in names if name.startswith("call-")]
    for name in granted:
        await crew.settle(name, cost)
    return granted


async def test_calls_never_sent_to_redis_are_dropped_once_in_the_ledger(
    redis_server: RedisServer,
) -> None:
    async with Crew(redis_server.url, 1, 0.03) as crew:
        [worker], free, bound = crew.workers, rules(0, Limits(10**6), tenant=50), rules(1000, tenant=51)
        await until_granted(crew, bound, 1)
        before = remembered()
        await stop(redis_server, worker)
        try:
            names = await serve(crew, free, 0, 7)
            assert len(names) == CALLS
            assert await serve(crew, bound, 1, 1) == []
            assert remembered() <= before + CALLS
            assert await worker.publish_totals([], names)  # nothing is kept for Redis, so the journal can go
            assert remembered() <= before
        finally:
            redis_server.start()


async def test_calls_that_cost_nothing_are_not_reported(redis_server: RedisServer) -> None:
    async with Crew(redis_server.url, 1, 0.03) as crew:
        [worker], scopes = crew.workers, rules(1000, tenant=55)
        await until_granted(crew, scopes, 1)
        await stop(redis_server, worker)
        try:
            names = await serve(crew, scopes, 0, 0)
            assert len(names) == CALLS
            assert await worker.publish_totals([], names)
        finally:
            redis_server.start()


async def test_spending_during_an_outage_is_counted_once_afterwards(redis_server: RedisServer) -> None:
    async with Crew(redis_server.url, 1, 0.2) as crew:
        [worker], scopes = crew.workers, rules(10 * DOLLAR, tenant=52)
        await until_granted(crew, scopes, DOLLAR)
        await set_aside(redis_server, 52, 1)
        cost = DOLLAR // 1000
        redis_server.hang()
        try:
            names = await serve(crew, scopes, cost, cost)
            early, late = names[: len(names) // 2], names[len(names) // 2 :]
            spent = len(early) * cost
            assert not await worker.publish_totals([WindowTotal(window_of(52), spent, 2, spent)], early)
        finally:
            redis_server.go_on()
        await eventually(lambda: worker.publish_totals([], []))
        limit_status = await worker.status(scopes)
        assert limit_status.budget is not None
        assert limit_status.budget.spent_nanousd == len(names) * cost
        assert limit_status.budget.held_nanousd == DOLLAR
        assert len(late) > 1


async def test_a_call_that_redis_may_have_granted_is_taken_back(redis_server: RedisServer) -> None:
    async with Crew(redis_server.url, 1, 0.03) as crew:
        [worker], scopes = crew.workers, rules(1000, tenant=53)
        await until_granted(crew, scopes, 10)
        redis_server.hang()
        try:
            assert await crew.ask(scopes, 500) == "unavailable"
        finally:
            redis_server.go_on()
        await eventually(lambda: worker.publish_totals([], []))
        await until_granted(crew, scopes, 490)
        assert (await crew.ask(scopes, 500)).startswith("call-")


async def test_admit_during_outage_creates_no_orphan(
    redis_server: RedisServer,
) -> None:
    async with Crew(redis_server.url, 1, 0.03) as crew:
        [worker], scopes = crew.workers, rules(1000, tenant=54)
        await until_granted(crew, scopes, 10)
        before = remembered()
        await stop(redis_server, worker)
        try:
            for n in range(CALLS):
                await asyncio.gather(
                    worker.admit(AdmissionRequest(f"n{n}", scopes, 1, 5)), return_exceptions=True
                )
            assert remembered() <= before
        finally:
            redis_server.start()
