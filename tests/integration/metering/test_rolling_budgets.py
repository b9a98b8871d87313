"""Rolling budgets roll (faults of the kind: a limit that is only true of the calendar), in memory and in Redis.

Decided by admission, added up by the real ledger, compared with sums over a list of all calls.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from budgets.admission.budget_windows import window
from budgets.admission.interface import (
    Admission,
    AdmissionRequest,
    BudgetRefused,
    BudgetRule,
    Return,
    ScopeRules,
    WindowKey,
    WindowTotal,
)
from budgets.local.admission import LocalAdmission
from budgets.models import SpendWindow
from budgets.redis.admission import RedisAdmission
from metering.ledger.exports import Period
from metering.ledger.spend_windows import load_windows
from metering.reconciliation.ledger import wrong_windows
from tests.integration.metering.rolling import (
    DAY_S,
    HOUR_S,
    Spent,
    World,
    ask,
    beside,
    compare,
    load,
    pass_time,
    settle,
    ship,
    write,
)
from tests.support.clients.signing import SIGNER
from tests.support.stores.redis_server import RedisServer

pytestmark = pytest.mark.django_db(transaction=True)

Start = Callable[[World], Awaitable[Admission]]


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=["memory", "redis"])
async def start(request: pytest.FixtureRequest, server: RedisServer) -> AsyncIterator[Start]:
    """Yield what starts an admission that remembers nothing; the one before is gone, and what Redis knew."""
    opened: list[RedisAdmission] = []

    async def memory(world: World) -> Admission:
        return LocalAdmission(load, lambda: world.instant, steady=lambda: world.now)

    async def redis(world: World) -> Admission:
        while opened:
            await opened.pop().aclose()
        server.run("FLUSHALL")
        opened.append(
            RedisAdmission(
                server.url,
                load,
                signer=SIGNER,
                timeout_s=60.0,
                longest_s=60.0,  # how long the machine takes is not what is tested
                clock=lambda: (world.now, world.instant),
            )
        )
        await opened[-1].open(tend=False)
        return opened[-1]

    yield memory if request.param == "memory" else redis
    for admission in opened:
        await admission.aclose()


async def crash(world: World, start: Start) -> Admission:
    """The journal brings every call into the ledger before the next process serves."""
    if left := world.of("running", "settled"):
        await write(left)
    world.told.clear()
    return await start(world)


@pytest.mark.parametrize(
    ("zone", "began"),
    [
        ("UTC", "2026-02-26 20:00"),
        ("Europe/Berlin", "2026-03-26 22:00"),  # the 29th has 23 hours
        ("Europe/Berlin", "2026-10-22 22:00"),  # the 25th has 25
        ("America/Sao_Paulo", "2018-11-01 12:00"),  # the 4th begins at one o'clock
        ("Pacific/Apia", "2011-12-27 12:00"),  # the 30th does not exist
        ("Asia/Kathmandu", "2026-12-29 12:00"),
    ],
)
async def test_random_calls_over_random_days_are_decided_like_a_list_of_them(
    start: Start, zone: str, began: str
) -> None:
    world = World(at(began, zone), zone, random.Random(f"{zone} {began}"))
    world.edit("key:7", "key:8", "tenant:3")
    admission = await start(world)
    for _ in range(120):
        event = world.random.random()
        if event < 0.03:
            admission = await crash(world, start)
        elif event < 0.08:
            world.edit(world.random.choice(("key:7", "key:8", "tenant:3")))
        elif event < 0.3:
            pass_time(world)
        elif event < 0.45:
            await settle(admission, world)
        elif event < 0.6:
            await ship(admission, world)
        else:
            await ask(admission, world)
        await compare(admission, world)
    assert await beside(lambda: wrong_windows(Period(since=None, until=None))) == []
    assert len(world.of("shipped")) > 10


FULL = 100


def rolling(schedule: str, zone: str = "UTC") -> tuple[ScopeRules, ...]:
    return (ScopeRules("key:7"), ScopeRules("tenant:3", budgets=(BudgetRule(FULL, schedule, zone),)))


async def spend(admission: Admission, world: World, rules: tuple[ScopeRules, ...], amount: int) -> bool:
    """Make a call and bring it into the ledger; return whether it was granted."""
    call = Spent(f"call-{len(world.calls)}", 7, world.instant, amount)
    try:
        await admission.admit(AdmissionRequest(call.request_id, rules, 1, amount))
    except BudgetRefused:
        return False
    await admission.settle(call.request_id, 1, amount)
    world.calls.append(call)
    await admission.publish_totals(await write([call]), [call.request_id])
    return True


def world_at(text: str, zone: str = "UTC") -> World:
    return World(at(text, zone), zone, random.Random(0))


@pytest.mark.parametrize(
    ("schedule", "zone", "last", "days"),
    [
        ("rolling_30d", "UTC", "2026-07-06 23:59", 30),  # the end of a fixed period of 30 days since 1970
        (
            "rolling_7d",
            "UTC",
            "2026-12-30 12:00",
            7,
        ),  # the end of a fixed one of 7, and of a year a day later
        ("rolling_2d", "Europe/Berlin", "2026-03-28 23:00", 2),  # the next day has 23 hours
        ("rolling_90d", "Asia/Kathmandu", "2026-02-28 00:00", 90),
    ],
)
async def test_what_was_spent_on_the_last_day_of_a_period_is_not_free_on_the_next(
    start: Start, schedule: str, zone: str, last: str, days: int
) -> None:
    world, rules = world_at(last, zone), rolling(schedule, zone)
    admission = await start(world)
    assert await spend(admission, world, rules, FULL)
    spent_at, day = world.instant, window("daily", zone, world.instant)
    for _ in range(days - 1):
        world.instant = day.end + 1
        day = window("daily", zone, world.instant)
        with pytest.raises(BudgetRefused) as refused:
            await admission.admit(AdmissionRequest(f"early-{world.instant}", rules, 1, 1))
        assert refused.value.budget.resets_nanousd == FULL
    assert refused.value.budget.resets_at == day.end == window(schedule, zone, spent_at).returns
    world.instant = day.end - 1
    assert not await spend(admission, world, rules, 1)
    world.instant = day.end
    assert await spend(admission, world, rules, FULL)


async def test_money_comes_back_day_by_day_oldest_first(start: Start) -> None:
    world, rules = world_at("2026-05-04 12:00"), rolling("rolling_3d")
    admission = await start(world)
    said: list[Any] = []
    for amount in (10, 20, 30, 40, 0, 0):
        if amount:
            assert await spend(admission, world, rules, amount)
        budget = (await admission.status(rules)).budget
        assert budget is not None
        days = round((budget.resets_at - at("2026-05-04")) / DAY_S)
        said.append((budget.spent_nanousd, days, budget.resets_nanousd))
        world.instant += DAY_S
    assert said == [(10, 3, 10), (30, 3, 10), (60, 3, 10), (90, 4, 20), (70, 5, 30), (40, 6, 40)]


async def test_a_call_that_runs_over_midnight_is_counted_on_every_day_that_has_it(start: Start) -> None:
    world, rules = world_at("2026-05-04 23:59"), rolling("rolling_2d")
    admission = await start(world)
    await admission.admit(AdmissionRequest("over", rules, 1, 60))
    world.instant += 120
    assert not await spend(admission, world, rules, 50)
    await admission.settle("over", 1, 55)
    assert not await spend(admission, world, rules, 46)
    assert await spend(admission, world, rules, 45)
    world.instant += DAY_S  # the call of the first day leaves, though the ledger has not got it yet
    assert await spend(admission, world, rules, 55)
    assert not await spend(admission, world, rules, 1)


async def test_a_post_that_comes_days_late_belongs_to_its_own_day(start: Start) -> None:
    world, rules = world_at("2026-05-04 12:00"), rolling("rolling_3d")
    admission = await start(world)
    assert await spend(admission, world, rules, 10)
    first = world.instant
    world.instant += 2 * DAY_S
    assert await spend(admission, world, rules, 20)
    late = [Spent("late-1", 7, first + 60, 5), Spent("late-2", 8, first + DAY_S, 7)]
    await admission.publish_totals(await write(late), [call.request_id for call in late], is_adopted=True)

    budget = (await admission.status(rules)).budget
    assert budget is not None
    assert (budget.spent_nanousd, budget.resets_nanousd) == (42, 15)
    world.instant += DAY_S
    budget = (await admission.status(rules)).budget
    assert budget is not None
    assert (budget.spent_nanousd, budget.resets_nanousd) == (27, 7)


async def test_an_hour_back_over_midnight_doubles_nothing(start: Start) -> None:
    world, rules = world_at("2026-05-05 00:10"), rolling("rolling_2d")
    admission = await start(world)
    assert await spend(admission, world, rules, 30)  # on the 5th
    world.instant -= HOUR_S
    assert await spend(admission, world, rules, 100)  # on the 4th, where the 5th does not count
    world.instant += HOUR_S
    budget = (await admission.status(rules)).budget
    assert budget is not None
    assert budget.spent_nanousd == 130
    world.instant += DAY_S
    assert await spend(admission, world, rules, 70)
    assert not await spend(admission, world, rules, 1)


async def test_a_budget_made_in_the_middle_counts_the_days_before_it(start: Start) -> None:
    world = world_at("2026-05-04 12:00")
    await write([Spent(f"old-{day}", 7, world.instant - day * DAY_S, 10) for day in range(40)])
    admission = await start(world)
    for schedule, spent in (("rolling_7d", 70), ("rolling_30d", 300), ("every_1d", 10)):
        budget = (await admission.status(rolling(schedule))).budget
        assert budget is not None
        assert budget.spent_nanousd == spent


async def test_a_hold_is_not_raised_in_a_window_that_was_not_asked(start: Start) -> None:
    world, rules = world_at("2026-05-04 23:59"), rolling("rolling_2d")
    admission = await start(world)
    await admission.admit(AdmissionRequest("over", rules, 1, 10))
    assert await admission.raise_hold("over", 20)
    world.instant += 120
    assert not await admission.raise_hold("over", 30)


def test_a_new_day_reads_the_days_before_it_and_not_the_ledger(django_assert_max_num_queries: Any) -> None:
    def totals(day: str) -> WindowTotal:
        start = window("rolling_30d", "UTC", at(day)).start
        return load_windows([WindowKey("tenant:3", "rolling_30d", "UTC", start)])[0]

    assert totals("2026-05-04").spent_nanousd == 0
    assert SpendWindow.objects.filter(schedule="daily").count() == 1  # days without money need no row
    rows = SpendWindow.objects.filter(scope="tenant:3", schedule="daily")
    rows.update(spent_nanousd=40, version=2)
    with django_assert_max_num_queries(14):
        post = totals("2026-05-05")
    assert (post.spent_nanousd, post.returns) == (40, Return(at("2026-06-03"), 40, post.version))
