"""An outage is not amplified: how many calls for a broken deployment reach its provider, by the clock."""

from __future__ import annotations

import asyncio

from providers.errors.exceptions import UpstreamFailed
from providers.resilience.attempt_planner import AttemptPlanner
from providers.resilience.health import DeploymentHealth
from providers.resilience.plan import Plan
from tests.unit.providers.resilience.test_health import Clock, target

OPENS_AT, FLOOR_PER_S, SHORTEST_REST_S = 5, 3, 4


async def attempts(health: DeploymentHealth, clock: Clock, seconds: int, calls_a_second: int) -> int:
    """Make calls to the only deployment, which fails them all; return how many reached it."""
    only, reached = target(1), 0
    for _ in range(seconds * calls_a_second):
        clock.now += 1 / calls_a_second
        known = health.get(only.id)
        is_panic = known is not None and known.breaker.is_blocked(clock.now)
        planner, failures = (
            AttemptPlanner(Plan(targets=(only,), is_panic=is_panic), health),
            list[UpstreamFailed](),
        )
        while (step := await planner.begin(None, failures)) is not None:
            reached += 1
            failure = UpstreamFailed("status 500")
            failures.append(failure)
            step[1].record_failure(failure)
            step[1].release()
            planner.failed(only, failure)
    return reached


def test_of_a_thousand_calls_to_a_sole_deployment_that_is_down_a_few_a_second_reach_it() -> None:
    clock, seconds = Clock(), 10
    reached = asyncio.run(attempts(DeploymentHealth(clock=clock, dice=lambda: 0.5), clock, seconds, 100))
    probes = seconds // SHORTEST_REST_S
    assert OPENS_AT < reached <= OPENS_AT + FLOOR_PER_S * (seconds + 1) + probes
