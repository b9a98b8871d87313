from __future__ import annotations

import asyncio
import random

import pytest

from budgets.admission.budget_windows import window
from budgets.admission.interface import (
    AdmissionRequest,
    BudgetRule,
    Limits,
    ScopeRules,
    WindowKey,
    WindowTotal,
)
from tests.integration.budgets.redis_workers import Crew, rules
from tests.support.stores.redis_server import RedisServer


async def test_two_workers_admit_exactly_what_the_budget_holds(redis_server: RedisServer) -> None:
    async with Crew(redis_server.url, 2) as crew:
        granted = await crew.burst(rules(5000, tenant=10), 100, 600)
        assert len(granted) == 50
        assert crew.outcomes["unavailable"] == 0


async def test_two_workers_keep_every_rate_exactly(redis_server: RedisServer) -> None:
    async with Crew(redis_server.url, 2) as crew:
        assert len(await crew.burst(rules(0, Limits(100), 11), 0, 400)) == 100
        assert len(await crew.burst(rules(0, Limits(None, 70), 12), 0, 400)) == 70
        assert len(await crew.burst(rules(0, Limits(None, None, 10), 13), 0, 400)) == 10


async def test_a_freed_slot_is_free_for_every_worker(redis_server: RedisServer) -> None:
    async with Crew(redis_server.url, 2) as crew:
        scopes = rules(0, Limits(None, None, 1), 14)
        first = await crew.ask(scopes, 0)
        assert await crew.ask(scopes, 0) == "parallel"
        await crew.settle(first, 0)
        assert (await crew.ask(scopes, 0)).startswith("call-")


@pytest.mark.parametrize("calls", [2_000, pytest.param(10_000, marks=pytest.mark.soak)])
async def test_cancelled_admit_leaks_no_hold_and_no_reply(redis_server: RedisServer, calls: int) -> None:
    dice = random.Random(7)
    async with Crew(redis_server.url, 1) as crew:
        scopes, worker = rules(10**8, Limits(None, None, 10_000), 15), crew.workers[0]

        async def one(number: int) -> None:
            name = f"c{number}"
            task = asyncio.create_task(worker.admit(AdmissionRequest(name, scopes, 1, 5)))
            for _ in range(dice.randrange(6)):
                await asyncio.sleep(0)
            if dice.random() < 0.5:
                task.cancel()
            done = (await asyncio.gather(task, return_exceptions=True))[0]
            if not isinstance(done, BaseException):
                assert done.request_id == name
                await worker.settle(name, 1, 0)

        for start in range(0, calls, 100):
            await asyncio.gather(*(one(number) for number in range(start, start + 100)))
        await worker.publish_totals(
            [], []
        )  # what was granted to a cancelled call has been taken back when this is answered
        limit_status = await worker.status(scopes)
        assert limit_status.budget is not None
        assert limit_status.budget.held_nanousd == 0


async def test_a_worker_that_never_saw_a_key_posts_its_calls(redis_server: RedisServer) -> None:
    async with Crew(redis_server.url, 2) as crew:
        scopes = (ScopeRules("key:160", Limits(), (BudgetRule(100),)), ScopeRules("tenant:16"))
        call = await crew.ask(scopes, 60)
        await crew.settle(call, 50)
        other = crew.workers[(crew.serial + 1) % 2]
        limit_status = await other.status(scopes)
        assert limit_status.budget is not None
        assert limit_status.budget.spent_nanousd == 50
        start = window("calendar_month", "UTC", limit_status.budget.resets_at - 1).start
        key = WindowKey("key:160", "calendar_month", "UTC", start)
        tenant = WindowKey("tenant:16", "calendar_month", "UTC", start)
        await other.publish_totals(
            [WindowTotal(key, 50, 2), WindowTotal(tenant, 50, 2)], [call], is_adopted=True
        )
        limit_status = await other.status(scopes)
        assert limit_status.budget is not None
        assert (limit_status.budget.spent_nanousd, limit_status.budget.held_nanousd) == (50, 0)


async def test_scripts_may_be_flushed_under_load(redis_server: RedisServer) -> None:
    """Whatever the machine does beside it: how long a burst waits is not what a flush decides."""
    async with Crew(redis_server.url, 2, longest_s=60.0) as crew:
        burst = asyncio.create_task(crew.burst(rules(10**9, tenant=17), 1, 2000))
        for _ in range(20):
            await asyncio.to_thread(redis_server.run, "SCRIPT", "FLUSH")
        await burst
        assert crew.outcomes == {"granted": 2000}
