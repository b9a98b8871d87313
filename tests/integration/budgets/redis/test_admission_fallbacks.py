"""What a worker decides without Redis is counted, step by step; with Redis there, nothing is counted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from budgets.admission.interface import AdmissionRequest, AdmissionUnavailable, Limits
from budgets.redis.admission import RedisAdmission
from budgets.redis.client.connection import RedisConnection
from budgets.redis.client.protocol import Unreachable
from tests.integration.budgets.redis_workers import Crew, rules
from tests.support.stores.redis_server import RedisServer
from tests.support.waiting import eventually

ALL = ("redis_admit", "redis_standing", "redis_renew", "redis_settle", "redis_post", "redis_bury")
FREE = rules(0, Limits(1000), tenant=71)  # no budget, so calls are granted without Redis
IMPATIENT_S = 0.03
Noted = Callable[[], dict[str, int]]


@pytest.fixture
async def alone(redis_server: RedisServer) -> AsyncIterator[RedisAdmission]:
    """Yield a worker that has granted a call, and whose Redis is away."""
    async with Crew(redis_server.url, 1, IMPATIENT_S) as crew:
        [admission] = crew.workers
        await eventually(lambda: crew.ask(FREE, 0), lambda outcome: outcome.startswith("call-"))
        redis_server.kill()
        await eventually(lambda: not admission.is_up)
        yield admission
        redis_server.start()


async def test_with_redis_there_is_no_fallback(redis_server: RedisServer, fallbacks: Noted) -> None:
    async with Crew(redis_server.url, 1) as crew:
        [admission] = crew.workers
        await admission.admit(AdmissionRequest("one", FREE, 1, 0))
        await admission.status(FREE)
        await admission.renew(["one"])
        await admission.settle("one", 1, 0)
        assert await admission.publish_totals([], ["one"])
        assert await admission.release_worker("never-born")
    assert fallbacks() == {}


async def test_without_redis_each_local_answer_is_counted_as_fallback(
    alone: RedisAdmission, fallbacks: Noted
) -> None:

    def new(*places: str) -> None:
        found = {place: times for place, times in fallbacks().items() if place in ALL}
        assert found == dict.fromkeys(places, 1)

    await alone.admit(AdmissionRequest("two", FREE, 1, 0))
    new("redis_admit")
    await alone.status(FREE)
    new("redis_admit", "redis_standing")
    await alone.renew(["call-1"])
    new("redis_admit", "redis_standing", "redis_renew")
    await alone.settle("call-1", 1, 0)
    new("redis_admit", "redis_standing", "redis_renew", "redis_settle")
    assert not await alone.publish_totals([], ["call-1"], is_adopted=True)
    new("redis_admit", "redis_standing", "redis_renew", "redis_settle", "redis_post")
    assert not await alone.release_worker("somebody")
    new(*ALL)


async def test_a_refusal_without_redis_is_not_counted_as_fallback(
    alone: RedisAdmission, fallbacks: Noted
) -> None:
    with pytest.raises(AdmissionUnavailable):
        await alone.admit(AdmissionRequest("three", rules(1000, tenant=72), 1, 10))
    assert "redis_admit" not in fallbacks()


@pytest.mark.parametrize(("fails", "noted"), [(0, {}), (1, {"redis_asked_again": 1})])
async def test_a_script_whose_answer_was_lost_is_run_again_and_counted(
    monkeypatch: pytest.MonkeyPatch, fallbacks: Noted, fails: int, noted: dict[str, int]
) -> None:
    outcomes: list[bytes | Unreachable] = [*[Unreachable()] * fails, b"answer"]

    async def evaluate(*_: object) -> bytes:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Unreachable):
            raise outcome
        return outcome

    connection = RedisConnection("redis://localhost", "test")
    monkeypatch.setattr(connection, "_evaluate", evaluate)
    assert await connection.run("admit", "key", lambda _: b"") == b"answer"
    assert fallbacks() == noted
