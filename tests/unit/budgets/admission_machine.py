"""Drives any implementation of admission and the pure model side by side, and compares every answer."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule
from typing_extensions import override

from budgets.admission.budget_windows import window
from budgets.admission.interface import (
    Admission,
    AdmissionRequest,
    BudgetRefused,
    BudgetRule,
    Limits,
    RateRefused,
    ScopeRules,
    WindowKey,
    WindowTotal,
)
from budgets.local.window_cache import Load
from tests.unit.budgets.admission_ledger import Ledger, Row
from tests.unit.budgets.admission_model import LEASE_S, ORPHAN_S, Model, ModelCall

SCHEDULES = (
    ("daily", "UTC"),
    ("daily", "Asia/Kathmandu"),
    ("calendar_month", "UTC"),
    ("every_2d", "UTC"),
    ("rolling_2d", "UTC"),
    ("rolling_3d", "Asia/Kathmandu"),
)
LAST_MINUTE_OF_A_LEAP_DAY = 1_709_251_140.0  # 2024-02-29T23:59:00Z
HOUR_S = 3600.0


def up_to(most: int) -> st.SearchStrategy[int | None]:
    """A limit, and now and then none."""
    return st.integers(0, most).map(lambda limit: limit or None)


schedules = st.sampled_from(SCHEDULES)
limits = st.builds(Limits, up_to(12), st.none() | st.integers(60, 500), up_to(6))
rules_of_money = st.builds(lambda limit, of: BudgetRule(limit, *of), st.integers(40, 300), schedules)
budgets = st.lists(rules_of_money, max_size=3).map(tuple)
wishes = st.tuples(st.sampled_from(("key:1", "key:2")), st.integers(0, 60), st.integers(0, 60))
rests = st.just(0) | st.integers(0, 30)  # what is unsettled of a call


class Subject(Protocol):
    """An implementation under test, with its clocks in the test's hand."""

    admission: Admission
    instant: float
    now: float
    tells_again: bool  # as of the model

    async def start(self, load: Load) -> None:
        """Start, or start again after losing everything that was in memory."""
        ...

    def faults(self) -> list[str]:
        """Return every running sum that is not the sum of its rows."""
        ...

    def census(self) -> tuple[int, int, int]:
        """Return how many calls are running, are settled but not posted, and were dropped as orphans."""
        ...


class AdmissionMachine(RuleBasedStateMachine):
    """Subclasses say what to test in `subject()`."""

    ids = Bundle("ids")

    @abstractmethod
    def subject(self) -> Subject:
        """Return what is tested."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.it = self.subject()
        self.model, self.ledger = Model(tells_again=self.it.tells_again), Ledger()
        self.outbox: list[tuple[list[WindowTotal], list[str]]] = []
        self.final_costs: dict[str, int] = {}  # of calls that were shipped while they still ran
        self.rules_of: dict[str, ScopeRules] = {}
        self.serial = 0
        self.runner.run(self.it.start(self.load))

    @override
    def teardown(self) -> None:
        self.runner.close()

    async def load(self, keys: Sequence[WindowKey]) -> list[WindowTotal]:
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

    @rule(target=ids, wants=st.lists(wishes, min_size=2, max_size=6))
    def admit_several(self, wants: list[tuple[str, int, int]]) -> object:
        return self.admit(wants)

    @rule(target=ids, wants=st.lists(wishes, min_size=1, max_size=1))
    def admit_one(self, wants: list[tuple[str, int, int]]) -> object:
        return self.admit(wants)

    def admit(self, wants: list[tuple[str, int, int]]) -> object:
        granted = []
        for key, tokens, hold in wants:
            self.serial += 1
            ask = AdmissionRequest(f"call-{self.serial}", self.scopes_of(key), tokens, hold)
            if self.compare_admit(ask):
                self.check_bounds(ask)
                granted.append(ask.request_id)
        return multiple(*granted)

    def scopes_of(self, key: str) -> tuple[ScopeRules, ...]:
        return self.rules_of[key], self.rules_of["tenant:1"]

    @rule(request_id=ids, hold=st.integers(0, 60))
    def admit_again(self, request_id: str, hold: int) -> None:
        self.compare_admit(AdmissionRequest(request_id, self.scopes_of("key:1"), 10, hold))

    def compare_admit(self, ask: AdmissionRequest) -> bool:
        answer: object
        granted = False
        try:
            grant = self.runner.run(self.it.admission.admit(ask))
            answer, granted = (grant.admitted_at, grant.limit_status), True
        except RateRefused as no:
            answer = no.scope, no.rule, no.limit, no.remaining, no.resets_in_ms, no.possible
        except BudgetRefused as no:
            answer = "budget", no.budget, no.needed_nanousd, no.limit_status.rate
        assert answer == self.model.admit(ask, self.it.now, self.it.instant)
        return granted

    def check_bounds(self, ask: AdmissionRequest) -> None:
        """The promise of the product, checked without the model's algorithm."""
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
        found = self.runner.run(self.it.admission.raise_hold(request_id, hold))
        assert found == self.model.top_up(request_id, hold, self.it.now, self.it.instant)
        self.ask_for_the_standing("key:1")  # what is surely refused was not asked of the store

    @rule(which=st.integers(1, 31), tokens=st.integers(0, 120), cost=st.integers(0, 70), rest=rests)
    def settle(self, which: int, tokens: int, cost: int, rest: int) -> None:
        for i, call in enumerate(self.model.alive("running")):
            if which >> i % 5 & 1:
                self.compare_settle(call.ask.request_id, tokens, cost, rest)

    @rule(request_id=ids, tokens=st.integers(0, 120), cost=st.integers(0, 70))
    def settle_anything(self, request_id: str, tokens: int, cost: int) -> None:
        self.compare_settle(request_id, tokens, cost)
        self.ask_for_the_standing("key:1")  # nor what is not known here

    def compare_settle(self, request_id: str, tokens: int, cost: int, unsettled: int = 0) -> None:
        if request_id in self.final_costs:
            cost, unsettled = self.final_costs[request_id], 0
        found = self.runner.run(self.it.admission.settle(request_id, tokens, cost, unsettled))
        assert found == self.model.settle(request_id, tokens, cost, self.it.now, unsettled)

    @rule(which=st.sets(st.integers(0, 9)))
    def renew(self, which: set[int]) -> None:
        running = [call.ask.request_id for call in self.model.alive("running")]
        ids = [request_id for i, request_id in enumerate(running) if i % 10 in which]
        if ids:  # it is never reported that no worker is live
            self.runner.run(self.it.admission.renew(ids))
            self.model.renew(ids, self.it.now)

    @rule(which=st.integers(1, 31))
    def ship(self, which: int) -> None:
        """The shipper commits some settled calls; its posts are under way."""
        waiting = [call for call in self.model.alive("settled") if not self.is_shipped(call)]
        self.commit([Row(c, c.amount, c.unsettled) for i, c in enumerate(waiting) if which >> i % 5 & 1])

    @rule(which=st.integers(0, 9), cost=st.integers(0, 70))
    def make_exact(self, which: int, cost: int) -> None:
        """What an unsettled call cost becomes known: at most what was counted of it."""
        unsettled = [row for row in self.ledger.rows if row.unsettled]
        if unsettled:
            self.ledger.settle(unsettled[which % len(unsettled)], cost)
            self.outbox.append(([self.ledger.post(key) for key in self.model.totals], []))

    @rule(which=st.integers(0, 9), cost=st.integers(1, 60))
    def ship_before_it_is_settled(self, which: int, cost: int) -> None:
        running = [call for call in self.model.alive("running") if not self.is_shipped(call)]
        if running:
            call = running[which % len(running)]
            self.final_costs[call.ask.request_id] = cost
            self.commit([Row(call, cost)])

    def is_shipped(self, call: ModelCall) -> bool:
        return any(call is row.call for row in self.ledger.rows)

    def commit(self, rows: list[Row]) -> None:
        if rows:
            self.ledger.ship(rows)
            posts = [self.ledger.post(key) for key in self.model.totals]
            self.outbox.append((posts, [row.call.ask.request_id for row in rows]))

    @rule(which=st.integers(0, 5), is_kept=st.booleans())
    def deliver_a_post(self, which: int, is_kept: bool) -> None:  # noqa: FBT001 - drawn
        """In order, out of order, or twice."""
        if self.outbox:
            which %= len(self.outbox)
            posts, ids = self.outbox[which] if is_kept else self.outbox.pop(which)
            self.runner.run(self.it.admission.publish_totals(posts, ids))
            self.model.post(posts, ids, self.it.now)
            self.ask_for_the_standing("key:1")

    @rule(key=st.sampled_from(("key:1", "key:2")))
    def ask_for_the_standing(self, key: str) -> None:
        scopes = (self.rules_of[key], self.rules_of["tenant:1"])
        found = self.runner.run(self.it.admission.status(scopes))
        self.model.look(self.it.now)
        windows = self.model.budgets(scopes, self.it.instant)
        assert found == self.model.limit_status(scopes, windows, self.it.now)

    @rule(quarters=st.sampled_from((1, 2, 3, 4, 7, 11, 20, 40, 80, 240, 243, 244)))
    def pass_time(self, quarters: int) -> None:
        self.wait(quarters / 4)

    @rule(
        which=st.integers(0, 9),
        after=st.sampled_from((LEASE_S - 0.25, LEASE_S, 61.0, ORPHAN_S - 0.25, ORPHAN_S)),
    )
    def pass_time_since_a_sign_of_life(self, which: int, after: float) -> None:
        running = self.model.alive("running")
        if running:
            self.wait(max(0.0, running[which % len(running)].renewed + after - self.it.now))

    def wait(self, seconds: float) -> None:
        self.it.instant += seconds
        self.it.now += seconds

    @rule(
        event=st.sampled_from(("crash", "reset", *("forget", "step back", "step to reset") * 2)), of=schedules
    )
    def something_rare(self, event: str, of: tuple[str, str]) -> None:
        reset = window(*of, self.it.instant).end
        if event == "crash":
            self.crash()
        elif event == "forget":
            self.runner.run(self.it.admission.invalidate())
        elif event == "reset":
            self.wait(reset - self.it.instant)
        elif event == "step back":
            self.it.instant -= HOUR_S
        else:
            self.it.instant = reset - 0.5

    def crash(self) -> None:
        """The journal brings every call into the ledger before the next process serves; the rest is lost."""
        lost = [call for call in self.model.alive("running", "settled") if not self.is_shipped(call)]
        self.ledger.ship([Row(call, call.amount, call.unsettled) for call in lost])
        self.model = Model(tells_again=self.it.tells_again)
        self.outbox.clear()
        self.runner.run(self.it.start(self.load))

    @invariant()
    def sums_equal_their_rows(self) -> None:
        assert self.it.faults() == []

    @invariant()
    def nothing_else_is_remembered(self) -> None:
        model = self.model
        census = len(model.alive("running")), len(model.alive("settled")), model.orphans
        assert self.it.census() == census
