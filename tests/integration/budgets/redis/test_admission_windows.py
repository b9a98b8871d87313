"""A new window is made of sums, however many calls wait for the ledger: one tenant does not delay the others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest
from redis import Redis

from budgets.admission.interface import (
    AdmissionRequest,
    BudgetRule,
    BudgetStatus,
    Limits,
    ScopeRules,
    WindowKey,
    WindowTotal,
)
from budgets.redis.admission import RedisAdmission
from tests.support.clients.signing import SIGNER
from tests.support.stores.redis_server import RedisServer

FEW, MANY, ROOM = 3, 300, 10**9
KATHMANDU_MIDNIGHT = datetime(2024, 5, 1, 18, 15, tzinfo=UTC).timestamp()


class Clock:
    def __init__(self) -> None:
        self.now, self.instant = 1000.0, KATHMANDU_MIDNIGHT - 60

    def __call__(self) -> tuple[float, float]:
        return self.now, self.instant

    def advance(self, seconds: float) -> None:
        self.now, self.instant = self.now + seconds, self.instant + seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def worker(redis_server: RedisServer, clock: Clock) -> AsyncIterator[RedisAdmission]:
    redis_server.run("FLUSHALL")
    one = RedisAdmission(redis_server.url, _nothing_spent, signer=SIGNER, timeout_s=2.0, clock=clock)
    await one.open(tend=False)
    yield one
    await one.aclose()


async def _nothing_spent(keys: Sequence[WindowKey]) -> list[WindowTotal]:
    return [WindowTotal(key, 0, 0) for key in keys]


def scopes(
    key: str, schedule: str = "calendar_month", parallel: int | None = None, tenant: int = 70
) -> tuple[ScopeRules, ScopeRules]:
    budgets = (BudgetRule(ROOM, schedule, "Asia/Kathmandu"),)
    return (
        ScopeRules(f"key:{key}", Limits(None, None, parallel), ()),
        ScopeRules(f"tenant:{tenant}", Limits(), budgets),
    )


async def serve(worker: RedisAdmission, name: str, cost: int, tenant: int = 70) -> None:
    await worker.admit(AdmissionRequest(name, scopes("busy", tenant=tenant), 1, cost))
    await worker.settle(name, 1, cost)


async def money(worker: RedisAdmission, schedule: str) -> BudgetStatus:
    budget = (await worker.status(scopes("busy", schedule))).budget
    assert budget is not None
    return budget


async def commands_of(server: RedisServer, worker: RedisAdmission, ask: AdmissionRequest) -> list[str]:
    """Return every command that scripts give until the call is granted."""
    with Redis.from_url(server.url).monitor() as monitor:
        await worker.admit(ask)
        server.run("ECHO", "granted")
        found: list[str] = []
        for command in monitor.listen():
            if command["command"] == "ECHO granted":
                return found
            if command["client_type"] == "lua":
                found.append(command["command"])
    raise AssertionError("the store has gone")


async def test_a_new_window_costs_the_same_however_many_calls_wait_for_the_ledger(
    redis_server: RedisServer, worker: RedisAdmission
) -> None:
    costs = []
    for tenant, waiting in ((71, FEW), (72, MANY)):
        for number in range(waiting):
            await serve(worker, f"waits-{tenant}-{number}", 1, tenant)
        of_tenant = scopes(f"new-{tenant}", "daily", tenant=tenant)
        of_key = (ScopeRules(f"key:newer-{tenant}", Limits(), (BudgetRule(ROOM),)), of_tenant[1])
        for name, asked in (("tenant", of_tenant), ("key", of_key)):
            commands = await commands_of(
                redis_server, worker, AdmissionRequest(f"{name}-{tenant}", asked, 1, 1)
            )
            assert f"HGETALL omg:{{t{tenant}}}:calls" not in commands
            assert not [each for each in commands if "waits-" in each]
            costs.append(len(commands))
    assert costs[:2] == costs[2:]


async def test_new_window_begins_with_the_unposted_amounts_of_its_days(
    worker: RedisAdmission, clock: Clock
) -> None:
    await serve(worker, "yesterday", 70)
    await worker.admit(AdmissionRequest("still-running", scopes("busy"), 1, 30))
    clock.advance(120)
    await serve(worker, "today", 5)
    await serve(worker, "posted", 11)
    await worker.admit(AdmissionRequest("runs", scopes("busy"), 1, 3))
    await worker.publish_totals([], ["posted"], is_adopted=True)
    today = await money(worker, "daily")
    assert (today.spent_nanousd, today.held_nanousd) == (5, 3)
    month = await money(worker, "rolling_366d")
    assert (month.spent_nanousd, month.held_nanousd) == (75, 33)


async def test_a_new_window_holds_calls_whose_slot_is_free_again(
    worker: RedisAdmission, clock: Clock
) -> None:
    await worker.admit(AdmissionRequest("silent", scopes("busy", parallel=1), 1, 60))
    clock.advance(40)  # its lease is over, and it is not given up yet
    await worker.admit(AdmissionRequest("next", scopes("busy", parallel=1), 1, 5))
    assert (await money(worker, "weekly")).held_nanousd == 65
    key = (ScopeRules("key:busy", Limits(), (BudgetRule(ROOM),)), scopes("busy")[1])
    budget = (await worker.status(key)).budget
    assert budget is not None
    assert budget.held_nanousd == 65
