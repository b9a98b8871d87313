"""K2 on a real Redis: spent, held and unsettled together are never more than the limit, nor less than the bill."""

from __future__ import annotations

import random
from functools import partial

from redis import Redis

from budgets.redis.admission import RedisAdmission
from tests.support.at_once import at_once
from tests.support.clients.signing import SIGNER
from tests.support.stores.redis_server import RedisServer
from tests.unit.budgets.unsettled_story import Story

SEEDS, STEPS = 12, 120
PATIENT_S = 5.0


async def test_the_budget_counts_what_providers_bill_and_never_more_than_its_limit(
    redis_server: RedisServer,
) -> None:
    """Each story has its own keys, so they happen at the same time: most of one is waiting for what is in doubt."""
    with Redis.from_url(redis_server.url) as redis:
        redis.flushall()
    await at_once(partial(lived, redis_server), range(SEEDS))


async def lived(redis_server: RedisServer, seed: int) -> None:
    story = Story(None, random.Random(seed))  # type: ignore[arg-type]
    admission = story.admission = RedisAdmission(
        redis_server.url, story.load, signer=SIGNER, timeout_s=PATIENT_S, prefix=f"story-{seed}"
    )
    await admission.open(tend=False)
    for _ in range(STEPS):
        await story.step()
    await story.finish()
    assert story.refused
    await admission.aclose()
