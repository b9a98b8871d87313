"""Drives any implementation of admission and the pure model side by side, and compares every answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule
from typing_extensions import override

from budgets.admission import (
    Admission,
    Ask,
    BudgetRefused,
    BudgetRule,
    Limits,
    Post,
    RateRefused,
    ScopeRules,
    WindowKey,
)
from budgets.purses import Load
from budgets.windows import window
from tests.unit.budgets.admission_model import Model, ModelCall

SCHEDULES = ("daily", "weekly", "calendar_month", "rolling_2d")
ZONES = ("UTC", "Asia/Kathmandu")
LAST_MINUTE_OF_A_LEAP_DAY = 1_709_251_140.0  # 2024-02-29T23:59:00Z
HOUR_S = 3600.0

limits = st.builds(
    Limits,
    st.none() | st.integers(1, 6),
    st.none() | st.integers(20, 200),
    st.none() | st.integers(1, 4),
)
budgets = st.lists(
    st.builds(BudgetRule, st.integers(40, 300), st.sampled_from(SCHEDULES), st.sampled_from(ZONES)),
    max_size=2,
).map(tuple)


class Subject(Protocol):
    """An implementation under test, with its clocks in the test's hand."""

    admission: Admission
    instant: float
    now: float

    async def start(self, load: Load) -> None:
        """Start, or start again after losing everything that was in memory."""
        ...

    def faults(self) -> list[str]: ...

    def orphans(self) -> int: ...


class Ledger:
    """The database: calls with their cost, and a version that grows with each shipment."""

    def __init__(self) -> None:
        self.calls: list[tuple[ModelCall, int]] = []
        self.version = 1

    def ship(self, calls: list[tuple[ModelCall, int]]) -> None:
        self.calls += calls
        self.version += 1

    def post(self, key: WindowKey) -> Post:
        end = window(key.schedule, key.timezone, key.start).end
        inside = [
            cost for call, cost in self.calls if call.concerns(key.scope) and key.start <= call.instant < end
        ]
        return Post(key, sum(inside), self.version)


class AdmissionMachine(RuleBasedStateMachine):
    """Subclasses say what to test in `subject()`."""

    ids = Bundle("ids")

    def subject(self) -> Subject:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.it = self.subject()
        self.model, self.ledger = Model(), Ledger()
        self.outbox: list[tuple[list[Post], list[str]]] = []
        self.final_costs: dict[str, int] = {}  # of calls that were shipped while they still ran
        self.rules_of: dict[str, ScopeRules] = {}
        self.serial = 0
        self.runner.run(self.it.start(self.load))

    @override
    def teardown(self) -> None:
        self.runner.close()

    async def load(self, keys: Sequence[WindowKey]) -> list[Post]:
        posts = [self.ledger.post(key) for key in keys]
        self.model.post(posts, [], self.it.now)
        return posts

    @initialize(key=limits, tenant=limits, of_key=budgets, of_tenant=budgets)
    def set_rules(
        self, key: Limits, tenant: Limits, of_key: tuple[BudgetRule, ...], of_tenant: tuple[BudgetRule, ...]
    ) -> None:
        self.rules_of = {scope: ScopeRules(scope, key, of_key) for scope in ("key:1", "key:2")}
        self.rules_of["tenant:1"] = ScopeRules("tenant:1", tenant, of_tenant)

    @rule(scope=st.sampled_from(("key:1", "key:2", "tenant:1")), to=limits, money=budgets)
    def edit_limits(self, scope: str, to: Limits, money: tuple[BudgetRule, ...]) -> None:
        self.rules_of[scope] = ScopeRules(scope, to, money)

    @rule(
        target=ids,
        key=st.sampled_from(("key:1", "key:2")),
        tokens=st.integers(0, 90),
        hold=st.integers(0, 60),
    )
    def admit(self, key: str, tokens: int, hold: int) -> object:
        self.serial += 1
        ask = Ask(f"call-{self.serial}", (self.rules_of[key], self.rules_of["tenant:1"]), tokens, hold)
        if self.compare_admit(ask):
            self.check_bounds(ask)
            return ask.request_id
        return multiple()

    @rule(request_id=ids, hold=st.integers(0, 60))
    def admit_again(self, request_id: str, hold: int) -> None:
        self.compare_admit(Ask(request_id, (self.rules_of["key:1"], self.rules_of["tenant:1"]), 10, hold))

    def compare_admit(self, ask: Ask) -> bool:
        answer: object
        granted = False
        try:
            grant = self.runner.run(self.it.admission.admit(ask))
            answer, granted = (grant.admitted_at, grant.standing), True
        except RateRefused as no:
            answer = no.scope, no.rule, no.limit, no.remaining, no.resets_in_ms, no.possible
        except BudgetRefused as no:
            answer = "budget", no.budget, no.needed_nanousd, no.standing.rate
        assert answer == self.model.admit(ask, self.it.now, self.it.instant)
        return granted

    def check_bounds(self, ask: Ask) -> None:
        """What the product promises, said without the model's algorithm."""
        for rules in ask.scopes:
            mine = [call for call in self.model.calls if call.concerns(rules.scope)]
            minute = [call for call in mine if call.at >= self.it.now - 60]
            slots = [call for call in mine if call.state == "running" and call.renewed + 30 > self.it.now]
            for limit, taken in (
                (rules.limits.requests_per_minute, len(minute)),
                (rules.limits.tokens_per_minute, sum(call.tokens for call in minute)),
                (rules.limits.parallel_requests, len(slots)),
            ):
                assert limit is None or taken <= limit
        if ask.hold_nanousd:
            for which in self.model.budgets(ask.scopes, self.it.instant):
                assert self.model.room(which) >= 0

    @rule(request_id=ids, hold=st.integers(0, 90))
    def top_up(self, request_id: str, hold: int) -> None:
        found = self.runner.run(self.it.admission.top_up(request_id, hold))
        assert found == self.model.top_up(request_id, hold, self.it.now)

    @rule(request_id=ids, tokens=st.integers(0, 120), cost=st.integers(0, 70))
    def settle(self, request_id: str, tokens: int, cost: int) -> None:
        cost = self.final_costs.get(request_id, cost)
        found = self.runner.run(self.it.admission.settle(request_id, tokens, cost))
        assert found == self.model.settle(request_id, tokens, cost, self.it.now)

    @rule(which=st.sets(st.integers(0, 9)))
    def renew(self, which: set[int]) -> None:
        running = [call.ask.request_id for call in self.model.alive("running")]
        ids = [request_id for i, request_id in enumerate(running) if i % 10 in which]
        self.runner.run(self.it.admission.renew(ids))
        self.model.renew(ids, self.it.now)

    @rule(which=st.sets(st.integers(0, 4), min_size=1))
    def ship(self, which: set[int]) -> None:
        """The shipper commits some settled calls; its posts are under way."""
        waiting = [call for call in self.model.alive("settled") if not self.is_shipped(call)]
        self.commit([(call, call.amount) for i, call in enumerate(waiting) if i % 5 in which])

    @rule(which=st.integers(0, 9), cost=st.integers(1, 60))
    def ship_before_it_is_settled(self, which: int, cost: int) -> None:
        running = [call for call in self.model.alive("running") if not self.is_shipped(call)]
        for call in running[which : which + 1]:
            self.final_costs[call.ask.request_id] = cost
            self.commit([(call, cost)])

    def is_shipped(self, call: ModelCall) -> bool:
        return any(call is shipped for shipped, _ in self.ledger.calls)

    def commit(self, calls: list[tuple[ModelCall, int]]) -> None:
        if calls:
            self.ledger.ship(calls)
            posts = [self.ledger.post(key) for key in self.model.totals]
            self.outbox.append((posts, [call.ask.request_id for call, _ in calls]))

    @rule(which=st.integers(0, 5), is_kept=st.booleans())
    def deliver_a_post(self, which: int, is_kept: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
        """In order, out of order, or twice."""
        if which < len(self.outbox):
            posts, ids = self.outbox[which] if is_kept else self.outbox.pop(which)
            self.runner.run(self.it.admission.post(posts, ids))
            self.model.post(posts, ids, self.it.now)

    @rule(key=st.sampled_from(("key:1", "key:2")))
    def ask_for_the_standing(self, key: str) -> None:
        scopes = (self.rules_of[key], self.rules_of["tenant:1"])
        found = self.runner.run(self.it.admission.standing(scopes))
        self.model.look(self.it.now)
        windows = self.model.budgets(scopes, self.it.instant)
        assert found == self.model.standing(scopes, windows, self.it.now)

    @rule(quarters=st.integers(1, 12) | st.sampled_from((116, 120, 124, 240, 241, 243, 244, 600, 1300)))
    def pass_time(self, quarters: int) -> None:
        self.it.instant += quarters / 4
        self.it.now += quarters / 4

    @rule()
    def step_the_clock_back(self) -> None:
        self.it.instant -= HOUR_S

    @rule(schedule=st.sampled_from(SCHEDULES), zone=st.sampled_from(ZONES))
    def step_the_clock_to_just_before_a_reset(self, schedule: str, zone: str) -> None:
        self.it.instant = window(schedule, zone, self.it.instant).end - 0.5

    @rule(schedule=st.sampled_from(SCHEDULES), zone=st.sampled_from(ZONES))
    def live_through_a_reset(self, schedule: str, zone: str) -> None:
        passed = window(schedule, zone, self.it.instant).end - self.it.instant
        self.it.instant += passed
        self.it.now += passed

    @rule()
    def forget(self) -> None:
        self.runner.run(self.it.admission.forget())

    @rule()
    def crash(self) -> None:
        """The journal brings every call into the ledger before the next process serves; the rest is lost."""
        lost = [call for call in self.model.alive("running", "settled") if not self.is_shipped(call)]
        self.ledger.ship([(call, call.amount) for call in lost])
        self.model = Model()
        self.outbox.clear()
        self.runner.run(self.it.start(self.load))

    @invariant()
    def sums_equal_their_rows(self) -> None:
        assert self.it.faults() == []

    @invariant()
    def orphans_are_counted(self) -> None:
        assert self.it.orphans() == self.model.orphans
