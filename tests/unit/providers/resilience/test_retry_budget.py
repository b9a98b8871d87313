"""Failover to a healthy endpoint is free, an outage is not amplified: the attempt uses its endpoint's budget."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from providers.errors.exceptions import UpstreamFailed
from providers.resilience.attempt import DeploymentAttempt
from providers.resilience.attempt_planner import AttemptPlanner
from providers.resilience.health import DeploymentHealth
from providers.resilience.plan import CallProgress, Plan
from providers.resilience.retry_budget import RetryBudget
from providers.target import Target
from tests.unit.providers.resilience.test_health import Clock, target

DEAD, HEALTHY = "http://dead", "http://healthy"


async def serve(
    health: DeploymentHealth, plan: Plan, sick: set[str], tries: Counter[str], who: int = 0
) -> bool:
    """Make one call whose tries take a turn of the loop each; return whether it was answered."""
    planner, failures = AttemptPlanner(plan, health, CallProgress(who)), list[UpstreamFailed]()
    while (step := await planner.begin(None, failures)) is not None:
        where, turn = step
        tries[where.base_url] += 1
        await asyncio.sleep(0)
        if where.base_url not in sick:
            turn.record_success()
            turn.finish()
            return True
        failure = UpstreamFailed("status 500")
        turn.record_failure(failure)
        turn.release()
        failures.append(failure)
        planner.failed(where, failure)
    return False


def pair(number: int) -> list[Target]:
    return [target(2 * number, DEAD), target(2 * number + 1, HEALTHY)]


def calls(
    models: int, clients: int, sick: set[str], *, count: int = 600, tenants: int = 7
) -> tuple[int, Counter[str]]:
    """Let so many clients make calls to models of two deployments; return how many failed, and the tries."""
    clock = Clock()
    health, tries = DeploymentHealth(clock=clock, dice=lambda: 0.5), Counter[str]()
    plans = [Plan(targets=pair(number)) for number in range(1, models + 1)]
    numbers = iter(range(count))

    async def client() -> int:
        failed = 0
        for number in numbers:
            clock.now += 0.001
            plan = plans[number % models]
            ready = [
                each
                for each in plan.targets
                if (e := health.get(each.id)) is None or not e.breaker.is_blocked(clock.now)
            ]
            now = Plan(targets=ready or plan.targets, is_panic=not ready)
            failed += not await serve(health, now, sick, tries, number % tenants + 1)
        return failed

    async def everybody() -> int:
        return sum(await asyncio.gather(*(client() for _ in range(clients))))

    return asyncio.run(everybody()), tries


@pytest.mark.parametrize(("models", "clients"), [(1, 64), (20, 64), (40, 64), (1, 300), (120, 8)])
def test_with_a_healthy_deployment_standing_by_no_call_fails(models: int, clients: int) -> None:
    failed, tries = calls(models, clients, {DEAD})
    assert failed == 0
    assert tries[HEALTHY] == 600


@pytest.mark.parametrize("models", [1, 20, 120])
def test_total_outage_adds_at_most_a_tenth_of_attempts(models: int) -> None:
    failed, tries = calls(models, 8, {DEAD, HEALTHY})
    assert failed == 600
    assert sum(tries.values()) <= 1.10 * 600 + 3


def test_outage_of_one_model_does_not_use_up_the_failover_of_others() -> None:
    clock = Clock()
    health, tries = DeploymentHealth(clock=clock, dice=lambda: 0.5), Counter[str]()
    all_dead = Plan(targets=[target(1, DEAD), target(2, "http://dead too")])
    half = Plan(targets=pair(2))

    async def story() -> list[bool]:
        for _ in range(300):
            await serve(health, all_dead, {DEAD, "http://dead too"}, tries, 1)
        return [await serve(health, half, {DEAD}, tries, 2) for _ in range(100)]

    assert all(asyncio.run(story()))


def test_failures_of_one_tenant_do_not_count_as_an_outage() -> None:
    budget = RetryBudget()
    budget.record_success(0.0)
    for _ in range(100):
        budget.record_failure(1)
        budget.record_success(0.0)
    assert budget.is_healthy(0.0)
    for who in (2, 3, 2, 3):
        budget.record_failure(who)
    assert not budget.is_healthy(0.0)


def test_a_wait_for_an_endpoints_first_answer_ends_with_it() -> None:
    async def story() -> None:
        budget = RetryBudget()
        waiting = [asyncio.create_task(budget.wait_for_outcome(60.0)) for _ in range(3)]
        await asyncio.sleep(0)
        budget.record_failure(1)
        await asyncio.gather(*waiting)
        assert not budget.is_unknown
        await budget.wait_for_outcome(0.0)

    asyncio.run(story())


async def waits(
    health: DeploymentHealth, where: Target, progress: CallProgress
) -> asyncio.Task[tuple[Target, DeploymentAttempt] | None]:
    """Begin a second attempt, at an endpoint without any answer yet and whose budget is spent."""
    while health.budget(where).spend(health.clock()):
        pass
    planner = AttemptPlanner(Plan(targets=[target(1, DEAD), where]), health, progress)
    first = await planner.begin(None, [])
    assert first is not None
    first[1].release()
    task = asyncio.create_task(planner.begin(None, []))
    await asyncio.sleep(0)
    assert in_flight(health, where) == 1
    return task


def in_flight(health: DeploymentHealth, where: Target) -> int:
    entry = health.get(where.id)
    return entry.in_flight if entry is not None else 0


def test_call_cancelled_while_waiting_releases_its_slot() -> None:
    async def story() -> None:
        health, where = DeploymentHealth(clock=Clock(), dice=lambda: 0.5), target(2, HEALTHY)
        task = await waits(health, where, CallProgress())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert in_flight(health, where) == 0

    asyncio.run(story())


def test_nothing_is_begun_for_a_client_that_leaves_while_its_call_waits() -> None:
    async def story() -> None:
        health, where, progress = (
            DeploymentHealth(clock=Clock(), dice=lambda: 0.5),
            target(2, HEALTHY),
            CallProgress(1),
        )
        task = await waits(health, where, progress)
        progress.client_disconnected = True
        health.budget(where).record_success(health.clock())
        assert await task is None
        assert in_flight(health, where) == 0

    asyncio.run(story())
