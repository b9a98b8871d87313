"""Single keys of a tenant are deleted: nothing is granted from the rest, and the tenant is recovered."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from typing_extensions import override

from budgets.admission.interface import AdmissionRequest, AdmissionUnavailable, BudgetRule, Limits, ScopeRules
from tests.integration.budgets.redis.test_admission_truth import WORKERS, World, killed
from tests.integration.budgets.redis_workers import UNHURRIED_S, Crew, rules
from tests.support.stores.redis_server import RedisServer
from tests.support.waiting import eventually

PARTS = ["calls", "life", "money", "owed", "slots", "aside", "unsure"]
KINDS = ["meta", *PARTS, "ring", "asked", "lock"]
TOGETHER = [
    "slots money calls",
    "slots money",
    "owed money",
    "calls life",
    "meta calls life",
    "slots owed calls",
]
CENT, DOLLAR = 10_000_000, 1_000_000_000


def keys_of(server: RedisServer, tenant: int) -> list[str]:
    said = server.run("KEYS", f"omg:{{t{tenant}}}:*").decode()
    return [word for word in said.split("\r\n") if word.startswith("omg:")]


def kind_of(key: str) -> str:
    return key.split("}:")[1].partition(":")[0]


def lose(server: RedisServer, tenant: int, kinds: str) -> None:
    """Delete all keys of these kinds at once."""
    doomed = [key for key in keys_of(server, tenant) if kind_of(key) in kinds.split()]
    if doomed:
        server.run("DEL", *doomed)


class Careless(World):
    """Delete keys of the tenant again and again: of these kinds, or any."""

    kinds = ""

    @override
    async def look(self) -> None:
        await super().look()
        await self.lose()

    @override
    async def lose(self) -> None:
        if self.kinds:
            await asyncio.to_thread(lose, self.server, self.tenant, self.kinds)
            return
        found = await asyncio.to_thread(keys_of, self.server, self.tenant)
        doomed = self.dice.sample(found, self.dice.randint(0, len(found)))
        for key in doomed:  # one after the other: others see every state between
            await asyncio.to_thread(self.server.run, "DEL", key)


async def live(world: World) -> None:
    try:
        for _ in range(WORKERS):
            await world.hire()
        await world.live()
    finally:
        for worker in world.workers:
            await worker.aclose()
    assert world.serial > 0


async def side_by_side(kinds_and_seeds: dict[str, int]) -> None:
    """Run worlds at the same time, each on its own Redis: most of the time all of them wait."""

    async def world(kinds: str, seed: int) -> None:
        server = RedisServer()
        await asyncio.to_thread(server.start)
        try:
            careless = Careless(server, 1, random.Random(seed))
            careless.kinds = kinds if kinds in (*KINDS, *TOGETHER) else ""
            await live(careless)
        except BaseException as error:
            error.add_note(f"in the world of {kinds}")
            raise
        finally:
            server.kill()

    async with asyncio.TaskGroup() as group:
        for kinds, seed in kinds_and_seeds.items():
            group.create_task(world(kinds, seed))


@pytest.mark.timeout(240)
async def test_no_overspend_when_keys_of_a_kind_are_deleted() -> None:
    await side_by_side({kinds: place for place, kinds in enumerate([*KINDS, *TOGETHER])})


@pytest.mark.timeout(240)
@pytest.mark.parametrize("first", [0, *(pytest.param(n, marks=pytest.mark.soak) for n in range(6, 60, 6))])
async def test_no_overspend_whatever_keys_are_deleted(first: int) -> None:
    await side_by_side({f"any, {seed}": seed for seed in range(first, first + 6)})


@pytest.fixture
async def crew(redis_server: RedisServer) -> AsyncIterator[Crew]:
    redis_server.run("FLUSHALL")
    async with Crew(redis_server.url, 2) as crew:
        yield crew


@pytest.fixture
async def unhurried(redis_server: RedisServer) -> AsyncIterator[Crew]:
    redis_server.run("FLUSHALL")
    async with Crew(redis_server.url, 2, UNHURRIED_S, UNHURRIED_S) as crew:
        yield crew


def both(limit: int, parallel: int | None = None) -> tuple[ScopeRules, ...]:
    return (
        ScopeRules("key:1", Limits(parallel_requests=parallel), (BudgetRule(limit),)),
        ScopeRules("tenant:1", Limits(), (BudgetRule(limit), BudgetRule(limit, "calendar_month"))),
    )


@pytest.mark.parametrize("kinds", [*KINDS, *TOGETHER, " ".join(KINDS), "calls life money owed slots aside"])
async def test_state_is_recovered_to_the_last_cent(
    redis_server: RedisServer, unhurried: Crew, kinds: str
) -> None:
    running = await unhurried.burst(both(100), 10, 7)
    await asyncio.gather(*(unhurried.settle(name, 10) for name in running[:2]))  # not in the ledger yet
    lose(redis_server, 1, kinds)
    assert len(await unhurried.burst(both(100), 10, 40)) == 3
    assert unhurried.outcomes["unavailable"] == 0
    await asyncio.gather(*(unhurried.settle(name, 0) for name in running[2:]))
    assert len(await unhurried.burst(both(100), 10, 40)) == 5


@pytest.mark.parametrize("kinds", [*PARTS, "slots calls", "slots life", "meta slots"])
async def test_running_calls_hold_their_slots_again(
    redis_server: RedisServer, crew: Crew, kinds: str
) -> None:
    scopes = both(100 * DOLLAR, parallel=4)
    assert len(await crew.burst(scopes, 10, 4)) == 4
    lose(redis_server, 1, kinds)
    assert [await crew.ask(scopes, 10) for _ in range(4)] == ["parallel"] * 4


@pytest.mark.parametrize("kinds", [*PARTS, "slots money calls", "meta", " ".join(KINDS)])
async def test_nothing_is_granted_before_a_silent_worker_has_reported_its_holds(
    redis_server: RedisServer, crew: Crew, kinds: str
) -> None:
    one, other = crew.workers
    await other.admit(AdmissionRequest("its", both(100), 1, 90))
    await killed(other)
    crew.workers = [one]
    lose(redis_server, 1, kinds)
    assert await crew.ask(both(100), 20) == "unavailable"
    await one.release_worker(other.worker)  # nothing was written down of its call
    await eventually(lambda: crew.ask(both(100), 20), lambda said: said.startswith("call-"))


async def test_outage_allowance_is_not_spent_twice(redis_server: RedisServer, crew: Crew) -> None:
    scopes = rules(10 * DOLLAR)
    spent = 0
    for _ in range(4):
        spent += DOLLAR if (await crew.ask(scopes, DOLLAR)).startswith("call-") else 0
    aside = "omg:{t1}:aside:tenant:1"
    await eventually(lambda: redis_server.run("HLEN", aside), lambda said: said == b":3\r\n")
    redis_server.run("DEL", aside)
    granted = await crew.burst(scopes, 10 * CENT, 80)
    spent += 10 * CENT * len(granted)
    redis_server.kill()
    try:
        granted = await crew.burst(scopes, 2 * CENT, 40)
    finally:
        redis_server.start()
    assert spent + 2 * CENT * len(granted) <= 10 * DOLLAR


async def test_snapshot_of_an_incomplete_state_is_empty(redis_server: RedisServer, crew: Crew) -> None:
    from budgets.redis.snapshot import Snapshot, SnapshotReader  # noqa: PLC0415

    assert len(await crew.burst(both(100), 10, 3)) == 3
    with SnapshotReader(redis_server.url) as audit:
        whole = audit.picture("t1", ["key:1", "tenant:1"])
        assert (len(whole.windows), len(whole.calls)) == (2, 3)
        lose(redis_server, 1, "owed")
        assert audit.picture("t1", ["key:1", "tenant:1"]) == Snapshot()


async def test_new_tenant_does_not_wait_for_a_silent_worker_of_the_current_epoch(
    redis_server: RedisServer, crew: Crew
) -> None:
    one = crew.workers[0]
    life = await one._connection.life()  # noqa: SLF001

    async def members() -> dict[str, str]:
        return {"silent": life}

    one.workers._members = members  # noqa: SLF001
    await one.admit(AdmissionRequest("first", rules(100, tenant=77), 1, 20))
    lose(redis_server, 77, "calls")
    with pytest.raises(AdmissionUnavailable):  # it may hold calls that only the lost part had
        await one.admit(AdmissionRequest("second", rules(100, tenant=77), 1, 20))
