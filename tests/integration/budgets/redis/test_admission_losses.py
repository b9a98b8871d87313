"""Redis has lost its data, and one worker cannot report its holds again: no other worker may spend that money."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from budgets.admission.interface import (
    AdmissionRequest,
    AdmissionUnavailable,
    BudgetRefused,
    Limits,
    RateRefused,
    ScopeRules,
    WindowTotal,
)
from budgets.redis.admission import RedisAdmission
from budgets.redis.scope_request import scope_request
from tests.integration.budgets.redis_workers import Crew, rules
from tests.support.faults.tcp_proxy import Link
from tests.support.stores.redis_server import RedisServer
from tests.support.waiting import eventually

LIMIT, HOLD = 1000, 10
SHORT_S = 0.2  # by when the loss of a store must be noticed


@pytest.fixture
async def link(redis_server: RedisServer) -> AsyncIterator[Link]:
    """Yield the second worker's way to Redis."""
    async with Link(redis_server.port) as one:
        yield one


@pytest.fixture
async def crew(redis_server: RedisServer, link: Link) -> AsyncIterator[Crew]:
    async with Crew((redis_server.url, link.url), 2, SHORT_S) as two:
        yield two


async def outcome(worker: RedisAdmission, scopes: tuple[ScopeRules, ...], name: str) -> str:
    try:
        await worker.admit(AdmissionRequest(name, scopes, 1, HOLD))
    except AdmissionUnavailable:
        return "unavailable"
    except BudgetRefused:
        return "full"
    except RateRefused as no:
        return no.rule
    return "granted"


async def eventually_granted(worker: RedisAdmission, scopes: tuple[ScopeRules, ...]) -> None:
    await eventually(lambda: outcome(worker, scopes, "again"), lambda said: said == "granted")


async def all_that_fits(crew: Crew, scopes: tuple[ScopeRules, ...]) -> int:
    """Ask the first worker until the budget is full; return for how many calls there was room."""
    served = [await outcome(crew.workers[0], scopes, f"more-{n}") for n in range(2 * LIMIT // HOLD)]
    assert "unavailable" not in served
    return served.count("granted")


async def lose_everything(redis_server: RedisServer) -> None:
    await asyncio.to_thread(redis_server.kill)
    await asyncio.to_thread(redis_server.start)


async def test_nothing_is_granted_before_a_disconnected_worker_has_reported_its_holds(
    redis_server: RedisServer, link: Link, crew: Crew
) -> None:
    scopes = rules(LIMIT, tenant=50)
    running = await crew.burst(scopes, HOLD, 60)
    await link.cut()
    await lose_everything(redis_server)
    early = (outcome(crew.workers[0], scopes, f"too-early-{turn}") for turn in range(3))
    assert await asyncio.gather(*early) == ["unavailable"] * 3  # each waits for a second
    await link.mend()
    await eventually_granted(crew.workers[0], scopes)
    assert len(running) + 1 + await all_that_fits(crew, scopes) == LIMIT // HOLD


async def test_calls_that_ended_while_their_worker_was_disconnected_are_counted(
    redis_server: RedisServer, link: Link, crew: Crew
) -> None:
    scopes = rules(LIMIT, tenant=51)
    running = await crew.burst(scopes, HOLD, 60)
    await link.cut()
    await lose_everything(redis_server)
    await asyncio.gather(*(crew.settle(name, 8) for name in running))  # half of them cannot be reported
    await link.mend()
    await eventually_granted(crew.workers[0], scopes)
    assert await all_that_fits(crew, scopes) == (LIMIT - 60 * 8) // HOLD - 1


async def test_recovery_does_not_wait_for_a_worker_proven_dead(
    redis_server: RedisServer, link: Link, crew: Crew
) -> None:
    scopes = rules(LIMIT, tenant=52)
    await crew.burst(scopes, HOLD, 60)
    living, dead = crew.workers
    await link.cut()
    await lose_everything(redis_server)
    assert await outcome(living, scopes, "too-early") == "unavailable"
    crew.ledger.spent, crew.ledger.version = 30 * HOLD, 2  # what adoption found in its journal
    await living.release_worker(dead.worker)
    await eventually_granted(living, scopes)
    assert await all_that_fits(crew, scopes) == LIMIT // HOLD - 30 - 30 - 1


async def test_recovery_does_not_wait_for_dead_worker_without_data_loss(link: Link, crew: Crew) -> None:
    await crew.burst(rules(LIMIT, tenant=56), HOLD, 60)
    await link.cut()  # so that it says no goodbye
    assert await outcome(crew.workers[0], rules(LIMIT, tenant=57), "a first call") == "granted"


async def test_new_worker_waits_for_workers_that_it_cannot_know(
    redis_server: RedisServer, link: Link, crew: Crew
) -> None:
    scopes = rules(LIMIT, tenant=53)
    running = await crew.burst(scopes, HOLD, 60)
    newcomer = crew.worker(redis_server.url)
    await link.cut()
    await lose_everything(redis_server)
    await newcomer.open()
    try:
        assert await outcome(newcomer, scopes, "too-early") == "unavailable"
        await link.mend()
        await eventually_granted(crew.workers[0], scopes)  # which knows everyone
    finally:
        await newcomer.aclose()
    assert len(running) + 1 + await all_that_fits(crew, scopes) == LIMIT // HOLD


async def test_tenants_without_budget_get_this_workers_share_of_the_rates_meanwhile(
    redis_server: RedisServer, link: Link, crew: Crew
) -> None:
    scopes = rules(0, Limits(8), tenant=55)
    await crew.burst(scopes, 0, 2)
    await link.cut()
    await lose_everything(redis_server)
    answers = [await outcome(crew.workers[0], scopes, f"late-{n}") for n in range(10)]
    assert answers == ["granted"] * 4 + ["requests"] * 6


async def test_new_worker_reads_the_live_workers_on_connect(redis_server: RedisServer) -> None:
    async with Crew(redis_server.url, 1) as crew:
        newcomer = crew.worker(redis_server.url)
        await newcomer.open()
        try:
            await eventually(lambda: newcomer.workers.workers == 2)  # the others say so once a second
        finally:
            await newcomer.aclose()


def posted(scopes: tuple[ScopeRules, ...], spent: int, version: int) -> list[WindowTotal]:
    return [WindowTotal(bound.key, spent, version) for bound in scope_request(scopes, time.time()).bounds]


@pytest.mark.parametrize(("tenant", "is_settled"), [(58, False), (60, True)])
async def test_calls_not_posted_before_a_worker_crash_are_counted_once(
    link: Link, crew: Crew, tenant: int, *, is_settled: bool
) -> None:
    scopes = rules(LIMIT, tenant=tenant)
    living, dead = crew.workers
    await dead.admit(AdmissionRequest("a-call", scopes, 1, 800))
    if is_settled:
        await dead.settle("a-call", 1, 800)
    await link.cut()
    await dead.settle("a-call", 1, 800)
    assert not await dead.publish_totals(posted(scopes, 800, 2), ["a-call"])
    # so its journal is kept, and read by the worker that adopts it
    assert await living.publish_totals(posted(scopes, 800, 2), ["a-call"], is_adopted=True)
    await living.release_worker(dead.worker)
    limit_status = await living.status(scopes)
    assert limit_status.budget is not None
    assert (limit_status.budget.spent_nanousd, limit_status.budget.held_nanousd) == (800, 0)
    assert await all_that_fits(crew, scopes) == 200 // HOLD


async def test_a_reconnected_worker_has_posted_all_its_calls(link: Link, crew: Crew) -> None:
    scopes = rules(LIMIT, tenant=59)
    worker = crew.workers[1]
    await worker.admit(AdmissionRequest("b-call", scopes, 1, 800))
    await worker.settle("b-call", 1, 800)
    await link.cut()
    assert not await worker.publish_totals(posted(scopes, 800, 2), ["b-call"])
    await link.mend()
    await eventually(lambda: worker.publish_totals([], []))
    limit_status = await crew.workers[0].status(scopes)
    assert limit_status.budget is not None
    assert (limit_status.budget.spent_nanousd, limit_status.budget.held_nanousd) == (800, 0)
