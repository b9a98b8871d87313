"""Random calls over random days on the real ledger, and the expected budgets: sums over a list of all calls."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connections
from msgspec import structs

from budgets.admission.interface import (
    Admission,
    AdmissionRequest,
    BudgetRefused,
    BudgetRule,
    ScopeRules,
    WindowKey,
    WindowTotal,
)
from metering.journal.reader import Call
from metering.ledger import write as ledger
from metering.ledger.spend_windows import load_windows
from tests.support.books.calls import closed, opened

HOUR_S, DAY_S = 3600.0, 86_400.0
MISSING = date(2011, 12, 30)  # in Apia, which went to bed on the 29th and got up on the 31st
SCHEDULES = ("rolling_1d", "rolling_2d", "rolling_3d", "rolling_7d", "every_2d", "daily")


@dataclass
class Spent:
    """A call as the list has it: `amount` is its hold while it runs, then its cost."""

    request_id: str
    key: int
    instant: float
    amount: int
    state: str = "running"  # then settled, then shipped


@dataclass
class World:
    """One tenant with two keys; the clock, the list of calls, and the expected state of every budget."""

    instant: float
    zone: str
    random: random.Random
    now: float = 1000.0
    calls: list[Spent] = field(default_factory=list)
    rules: dict[str, BudgetRule] = field(default_factory=dict)
    told: list[tuple[list[WindowTotal], list[str]]] = field(default_factory=list)

    def edit(self, *scopes: str) -> None:
        """Give these another budget: schedule, zone or limit."""
        for scope in scopes:
            zone = self.random.choice((self.zone, self.zone, "UTC"))
            limit = self.random.randint(60, 300)
            self.rules[scope] = BudgetRule(limit, self.random.choice(SCHEDULES), zone)

    def scopes(self, key: int) -> tuple[ScopeRules, ...]:
        return tuple(ScopeRules(scope, budgets=(self.rules[scope],)) for scope in (f"key:{key}", "tenant:3"))

    def room(self, scope: str) -> int:
        spent, held = self.sums(scope)
        return self.rules[scope].limit_nanousd - spent - held

    def sums(self, scope: str) -> tuple[int, int]:
        mine = self.inside(scope)
        held = sum(call.amount for call in mine if call.state == "running")
        return sum(call.amount for call in mine) - held, held

    def inside(self, scope: str) -> list[Spent]:
        rule = self.rules[scope]
        today = day_number(self.instant, rule.timezone)
        mine = [call for call in self.calls if scope in (f"key:{call.key}", "tenant:3")]
        return [call for call in mine if _counts(rule, day_number(call.instant, rule.timezone), today)]

    def returns(self, scope: str) -> tuple[int, int]:
        """Return in how many days money comes back next to a rolling budget, and how much."""
        rule = self.rules[scope]
        days, today = _days(rule.schedule), day_number(self.instant, rule.timezone)
        of = {call.request_id: day_number(call.instant, rule.timezone) for call in self.inside(scope)}
        oldest = min((of[call.request_id] for call in self.inside(scope) if call.amount), default=today)
        amount = sum(call.amount for call in self.inside(scope) if of[call.request_id] == oldest)
        return oldest + days - today, amount

    def of(self, *states: str) -> list[Spent]:
        return [call for call in self.calls if call.state in states]


def day_number(instant: float, zone: str) -> int:
    day = datetime.fromtimestamp(instant, ZoneInfo(zone)).date()
    return day.toordinal() - int(zone == "Pacific/Apia" and day > MISSING)


def _days(schedule: str) -> int:
    return 1 if schedule == "daily" else int(schedule.partition("_")[2][:-1])


def _counts(rule: BudgetRule, day: int, today: int) -> bool:
    days = _days(rule.schedule)
    if rule.schedule.startswith("rolling_"):
        return today - days < day <= today
    return (day - date(1970, 1, 1).toordinal()) // days == (today - date(1970, 1, 1).toordinal()) // days


async def load(keys: Sequence[WindowKey]) -> list[WindowTotal]:
    posts: list[WindowTotal] = await beside(lambda: load_windows(keys))
    return posts


async def beside(work: Callable[[], Any]) -> Any:
    """Run it in a thread, as every query of the database is."""

    def do() -> Any:
        try:
            return work()
        finally:
            connections.close_all()

    return await asyncio.to_thread(do)


async def ask(admission: Admission, world: World) -> None:
    """One call is granted exactly if it fits into the sums over the list."""
    key, hold = world.random.choice((7, 8)), world.random.randint(1, 60)
    name = f"call-{len(world.calls)}-{world.random.random()}"
    scopes = world.scopes(key)
    fits = all(world.room(rules.scope) >= hold for rules in scopes)
    if fits:
        await admission.admit(AdmissionRequest(name, scopes, 1, hold))
        world.calls.append(Spent(name, key, world.instant, hold))
        return
    with pytest.raises(BudgetRefused) as refused:
        await admission.admit(AdmissionRequest(name, scopes, 1, hold))
    budget = refused.value.budget
    assert (budget.spent_nanousd, budget.held_nanousd) == world.sums(budget.scope)


async def settle(admission: Admission, world: World) -> None:
    for call in world.of("running"):
        if world.random.random() < 0.6:
            cost = world.random.randint(1, call.amount)
            call.amount, call.state = cost, "settled"
            await admission.settle(call.request_id, 1, cost)


async def ship(admission: Admission, world: World) -> None:
    """Some ended calls reach the ledger, however old they are; now and then an old post comes again."""
    some = [call for call in world.of("settled") if world.random.random() < 0.7]
    if some:
        posts = await write(some)
        world.told.append((posts, [call.request_id for call in some]))
        await admission.publish_totals(*world.told[-1])
    if world.told and world.random.random() < 0.3:
        await admission.publish_totals(*world.random.choice(world.told))


async def write(calls: list[Spent]) -> list[WindowTotal]:
    rows = [
        Call(
            opened(call.request_id, at=call.instant, key=call.key),
            structs.replace(closed(call.request_id, at=call.instant + 2), cost_nanousd=call.amount),
        )
        for call in calls
    ]
    for call in calls:
        call.state = "shipped"
    posts: list[WindowTotal] = (await beside(lambda: ledger.write(rows))).posts
    return posts


async def compare(admission: Admission, world: World) -> None:
    """Compare the state of both budgets of a key, and when money comes back."""
    for scope in ("key:7", "key:8", "tenant:3"):
        rule = world.rules[scope]
        alone = (ScopeRules(scope, budgets=(rule,)), ScopeRules("tenant:3"))
        budget = (await admission.status(alone if scope != "tenant:3" else alone[:1])).budget
        assert budget is not None
        assert (budget.spent_nanousd, budget.held_nanousd) == world.sums(scope), (rule, world.instant)
        if not world.of("running", "settled") and rule.schedule.startswith("rolling_"):
            days, amount = world.returns(scope)
            at = day_number(budget.resets_at, rule.timezone) - day_number(world.instant, rule.timezone)
            assert (at, budget.resets_nanousd) == (days, amount)
            assert day_number(budget.resets_at - 1, rule.timezone) < day_number(
                budget.resets_at, rule.timezone
            )


def pass_time(world: World) -> None:
    """Mostly on by minutes or days; now and then the clock is set back, up to three days, or far ahead."""
    world.now += 0.25
    choices = (60.0, HOUR_S, 5 * HOUR_S, DAY_S, DAY_S, 2 * DAY_S, -HOUR_S, -DAY_S, -3 * DAY_S, 9 * DAY_S)
    world.instant += world.random.choice(choices) * world.random.choice((1.0, 0.9, 0.37))
