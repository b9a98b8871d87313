"""Posts of several workers come out of order, twice, or during loads: each call counts exactly once."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence

import pytest
from msgspec import structs

from budgets.admission.budget_windows import window
from budgets.admission.interface import (
    Admission,
    AdmissionRequest,
    BudgetRefused,
    BudgetRule,
    Limits,
    ScopeRules,
    WindowKey,
    WindowTotal,
)
from tests.integration.budgets.redis_workers import Crew, rules
from tests.support.stores.redis_server import RedisServer

COST = 100
NO_BOUND_S = 3600.0


def patient_crew(url: str, workers: int) -> Crew:
    """Let calls wait for Redis: a machine that stood still for a second is not the subject here. Money is."""
    return Crew(url, workers, longest_s=NO_BOUND_S)


def window_of(tenant: int) -> WindowKey:
    return WindowKey(
        f"tenant:{tenant}", "calendar_month", "UTC", window("calendar_month", "UTC", time.time()).start
    )


async def spend(crew: Crew, scopes: tuple[ScopeRules, ...], calls: int) -> list[str]:
    """Make so many calls of 100 each, by all workers in turn; return their ids."""
    names = await crew.burst(scopes, COST, calls)
    assert crew.refusals == []
    for name in names:
        await crew.settle(name, COST)
    assert len(names) == calls
    return names


async def spent(admission: Admission, scopes: Sequence[ScopeRules]) -> int:
    budget = (await admission.status(scopes)).budget
    assert budget is not None
    assert budget.held_nanousd == 0
    return budget.spent_nanousd


def shipped(tenant: int, names: Sequence[str], size: int) -> list[tuple[WindowTotal, Sequence[str]]]:
    """Return the ledger's totals of these calls, a batch at a time."""
    found = []
    for start in range(0, len(names), size):
        ids = names[start : start + size]
        total, version = (start + len(ids)) * COST, 2 + start // size
        found.append((WindowTotal(window_of(tenant), total, version, len(ids) * COST), ids))
    return found


@pytest.mark.parametrize("seed", range(10))
async def test_posts_that_overtake_each_other_never_change_what_was_spent(
    redis_server: RedisServer, seed: int
) -> None:
    dice, tenant = random.Random(seed), 400 + seed
    async with patient_crew(redis_server.url, 2) as crew:
        scopes = rules(41 * COST, tenant=tenant)
        batches = shipped(tenant, await spend(crew, scopes, 40), 3)
        told = dice.sample([*batches, *batches], 2 * len(batches))
        for post, ids in told:
            await dice.choice(crew.workers).publish_totals([post], ids, is_adopted=True)
            assert await spent(crew.workers[0], scopes) == 40 * COST
        assert len(await crew.burst(scopes, COST, 20)) == 1


async def test_calls_of_an_adopted_journal_count_although_later_posts_came_first(
    redis_server: RedisServer,
) -> None:
    """A worker crashed between its batch and its post: the next one finds only the total in the ledger."""
    async with patient_crew(redis_server.url, 2) as crew:
        scopes = rules(10 * COST, tenant=426)
        first, dead, last = shipped(426, await spend(crew, scopes, 9), 3)
        for post, ids in (first, last):
            await crew.workers[0].publish_totals([post], ids, is_adopted=True)
        await crew.workers[1].publish_totals(
            [structs.replace(last[0], added_nanousd=None)], dead[1], is_adopted=True
        )
        assert await spent(crew.workers[0], scopes) == 9 * COST
        assert len(await crew.burst(scopes, COST, 5)) == 1


@pytest.mark.parametrize("seed", range(10))
async def test_totals_never_too_low_whatever_order_workers_publish(
    redis_server: RedisServer, seed: int
) -> None:
    dice, tenant = random.Random(seed), 430 + seed
    async with patient_crew(redis_server.url, 2) as crew:
        scopes = rules(40 * COST, tenant=tenant)
        batches = shipped(tenant, await spend(crew, scopes, 40), 4)
        newest = structs.replace(batches[-1][0], added_nanousd=None)
        for post, ids in dice.sample(batches, len(batches)):
            await dice.choice(crew.workers).publish_totals(
                [dice.choice([post, newest])], ids, is_adopted=True
            )
            assert await spent(crew.workers[0], scopes) >= 40 * COST
        assert await spent(crew.workers[0], scopes) == 40 * COST


async def test_a_post_that_never_comes_is_not_waited_for_without_end(redis_server: RedisServer) -> None:
    async with patient_crew(redis_server.url, 2) as crew:
        scopes = rules(10**6, tenant=420)
        first, lost, *rest = shipped(420, await spend(crew, scopes, 80), 1)
        for post, ids in (first, *rest):
            await crew.workers[0].publish_totals([post], ids, is_adopted=True)
        known = await spent(crew.workers[1], scopes)
        assert known == 81 * COST  # the total of the newest: the lost one's call is still counted beside it
        await crew.workers[1].publish_totals([lost[0]], lost[1], is_adopted=True)
        assert await spent(crew.workers[1], scopes) == 80 * COST


async def test_a_load_that_comes_late_counts_nothing_twice(redis_server: RedisServer) -> None:
    async with patient_crew(redis_server.url, 2) as crew:
        scopes, ledger, (quick, slow) = rules(10**6, tenant=421), crew.ledger, crew.workers
        await quick.status(rules(0, tenant=421))
        quickly, ledger.is_open = ledger.is_open, asyncio.Event()
        ledger.is_asked.clear()
        late = asyncio.create_task(slow.status(scopes))
        await ledger.is_asked.wait()
        slowly, ledger.is_open = ledger.is_open, quickly
        for name in (names := [f"quick-{n}" for n in range(5)]):
            await quick.admit(AdmissionRequest(name, scopes, 1, COST))
            await quick.settle(name, 1, COST)
        ledger.spent, ledger.version = 5 * COST, 2
        slowly.set()
        await late
        assert await spent(slow, scopes) == 5 * COST
        await quick.publish_totals([WindowTotal(window_of(421), 5 * COST, 2, 5 * COST)], names)
        assert await spent(slow, scopes) == 5 * COST


async def test_calls_briefly_counted_twice_refuse_no_tenant(
    redis_server: RedisServer,
) -> None:
    async with patient_crew(redis_server.url, 2) as crew:
        scopes, (one, other) = rules(10 * COST, tenant=422), crew.workers
        names = await spend(crew, scopes, 6)
        crew.ledger.spent, crew.ledger.version = 6 * COST, 2
        await one.invalidate()
        assert await spent(one, scopes) == 12 * COST  # a total was loaded before the post of its calls came
        asked = asyncio.create_task(one.admit(AdmissionRequest("last", scopes, 1, COST)))
        await other.status(scopes)  # the call has reached Redis
        await other.publish_totals(
            [WindowTotal(window_of(422), 6 * COST, 2, 6 * COST)], names, is_adopted=True
        )
        assert (await asked).request_id == "last"


async def test_a_refusal_in_doubt_comes_within_a_second(redis_server: RedisServer) -> None:
    async with patient_crew(redis_server.url, 1) as crew:
        scopes = rules(6 * COST, tenant=423)
        await spend(crew, scopes, 6)
        await crew.workers[0].invalidate()
        with pytest.raises(BudgetRefused):
            await crew.workers[0].admit(AdmissionRequest("last", scopes, 1, COST))


async def test_a_refusal_without_doubt_comes_at_once(redis_server: RedisServer) -> None:
    async with patient_crew(redis_server.url, 1) as crew:
        both = (
            ScopeRules("key:424", Limits(), (BudgetRule(7 * COST),)),
            ScopeRules("tenant:424", Limits(), (BudgetRule(10**6),)),
        )
        await spend(crew, both, 6)
        await crew.workers[0].invalidate()
        await crew.workers[0].status(both)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("budgets.redis.recovery.prerequisites.DOUBT_S", 3600)
            with pytest.raises(BudgetRefused):
                await crew.workers[0].admit(AdmissionRequest("last", both, 1, 8 * COST))


async def test_posts_to_an_invalidated_window_are_in_its_next_load(
    redis_server: RedisServer,
) -> None:
    async with patient_crew(redis_server.url, 1) as crew:
        worker, scopes = crew.workers[0], rules(10**6, tenant=425)
        names = await spend(crew, scopes, 9)
        batches = shipped(425, names, 3)
        await worker.publish_totals([batches[0][0]], batches[0][1])
        await worker.invalidate()
        crew.ledger.spent, crew.ledger.version = 3 * COST, 2  # what a load would say that began before
        for post, ids in (batches[2], batches[1]):
            await worker.publish_totals([post], ids, is_adopted=True)
        assert await spent(worker, scopes) == 9 * COST
