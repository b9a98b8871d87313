"""Whatever breaks between the workers and Redis, a budget is never overspent and can be spent to the last cent."""

from __future__ import annotations

import random

import pytest

from tests.integration.budgets.storm import Storm
from tests.support.at_once import at_once
from tests.support.stores.redis_server import RedisServer

PAIRS = [(0, 1), (2, 3), *(pytest.param((seed, seed + 1), marks=pytest.mark.soak) for seed in (4, 6))]


@pytest.mark.parametrize("seeds", PAIRS)
async def test_budget_is_spent_to_the_last_cent_under_random_faults(seeds: tuple[int, int]) -> None:
    """Two at a time, each with a Redis of its own: more would be late for reasons that are not the weather."""
    await at_once(weathered, seeds)


async def weathered(seed: int) -> None:
    server = RedisServer()
    server.start()
    try:
        async with Storm(server, 700 + seed, random.Random(seed)) as storm:
            await storm.rage()
            await storm.spend_the_rest()
    finally:
        server.kill()
    assert storm.overspent == [], storm.heard
    assert storm.spent == storm.limit
