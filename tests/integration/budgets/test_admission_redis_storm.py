"""No cent too much is spent, and in the end none too few, whatever breaks between the workers and Redis."""

from __future__ import annotations

import random

import pytest

from tests.integration.budgets.storm import Storm
from tests.redis_server import RedisServer


@pytest.mark.parametrize("seed", range(8))
async def test_a_budget_is_spent_to_the_last_cent_in_any_weather(
    redis_server: RedisServer, seed: int
) -> None:
    async with Storm(redis_server, 700 + seed, random.Random(seed)) as storm:
        await storm.rage()
        await storm.spend_the_rest()
    assert storm.overspent == [], storm.heard
    assert storm.spent == storm.limit
