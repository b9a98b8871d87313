"""Calls at random that end in every way, ledgers that ship late, settlements in any order: what providers bill is at
most what the budget counts, and that is at most the limit. Driven against each implementation of admission.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from budgets.admission.interface import (
    Admission,
    AdmissionRequest,
    BudgetRefused,
    BudgetRule,
    ScopeRules,
    WindowKey,
    WindowTotal,
)

LIMIT = 1_000
ENDS = ("exact", "refused", "unknown", "killed")


@dataclass
class Told:
    """One call: what its provider really bills, its hold, and its row in the ledger."""

    id: str
    hold: int
    truth: int
    cost: int = 0
    unsettled: int = 0
    state: str = "running"  # ended, shipped


@dataclass
class Story:
    admission: Admission
    dice: random.Random
    calls: list[Told] = field(default_factory=list)
    outbox: list[tuple[list[WindowTotal], list[str]]] = field(default_factory=list)
    window: WindowKey | None = None
    version: int = 1
    refused: int = 0

    @property
    def scopes(self) -> tuple[ScopeRules, ...]:
        return (ScopeRules("key:1"), ScopeRules("tenant:1", budgets=(BudgetRule(LIMIT, "rolling_366d"),)))

    async def load(self, keys: Sequence[WindowKey]) -> list[WindowTotal]:
        return [self.post(key) for key in keys]

    def post(self, key: WindowKey) -> WindowTotal:
        self.window = key
        shipped = [call for call in self.calls if call.state == "shipped"]
        counted = sum(call.cost + call.unsettled for call in shipped)
        return WindowTotal(
            key, counted, self.version, unsettled_nanousd=sum(call.unsettled for call in shipped)
        )

    async def step(self) -> None:
        steps = (self.begin, self.begin, self.end, self.end, self.ship, self.settle, self.deliver)
        await self.dice.choice(steps)()
        await self.check()

    async def begin(self) -> None:
        hold = self.dice.randint(1, 400)
        call = Told(f"call-{len(self.calls)}-{self.refused}", hold, self.dice.randint(0, hold))
        try:
            await self.admission.admit(AdmissionRequest(call.id, self.scopes, 1, hold))
        except BudgetRefused:
            self.refused += 1
        else:
            self.calls.append(call)

    async def end(self) -> None:
        call = self.one("running")
        if call is None:
            return
        how = self.dice.choice(ENDS)
        if how == "refused":
            call.truth = 0
        elif how == "exact":
            call.cost = call.truth
        else:  # unknown: an estimate that is right or wrong, and the rest of the hold
            call.cost = self.dice.randint(0, call.hold)
            call.unsettled = call.hold - call.cost
        call.state = "ended"
        if how == "killed":  # another process ships its journal, and reports that it is in the ledger
            self.put([call])
        else:
            await self.admission.settle(call.id, 1, call.cost, call.unsettled)

    async def ship(self) -> None:
        self.put([call for call in self.calls if call.state == "ended" and self.dice.random() < 0.7])

    def put(self, calls: list[Told]) -> None:
        if calls and self.window is not None:
            for call in calls:
                call.state = "shipped"
            self.version += 1
            self.outbox.append(([self.post(self.window)], [call.id for call in calls]))

    async def settle(self) -> None:
        """The truth becomes known, or the policy is applied: never more than was counted."""
        call = self.one("shipped", unsettled=True)
        if call is not None and self.window is not None:
            counted = call.cost + call.unsettled
            call.cost = self.dice.choice((min(call.truth, counted), counted))
            call.unsettled = 0
            self.version += 1
            self.outbox.append(([self.post(self.window)], []))

    async def deliver(self) -> None:
        """In any order, and some twice."""
        if self.outbox:
            at = self.dice.randrange(len(self.outbox))
            posts, ids = self.outbox[at] if self.dice.random() < 0.2 else self.outbox.pop(at)
            await self.admission.publish_totals(posts, ids, is_adopted=True)

    def one(self, state: str, *, unsettled: bool = False) -> Told | None:
        found = [call for call in self.calls if call.state == state and (call.unsettled or not unsettled)]
        return self.dice.choice(found) if found else None

    async def check(self) -> None:
        limit_status = (await self.admission.status(self.scopes)).budget
        assert limit_status is not None
        counted = limit_status.spent_nanousd + limit_status.unsettled_nanousd + limit_status.held_nanousd
        due = sum(call.hold if call.state == "running" else call.cost + call.unsettled for call in self.calls)
        assert sum(call.truth for call in self.calls) <= due <= LIMIT
        assert due <= counted, "a provider bills more than is counted"
        assert self.outbox or due == counted, "more is counted than is owed"
        assert limit_status.unsettled_nanousd >= 0
        assert limit_status.spent_nanousd >= 0

    async def finish(self) -> None:
        """Once everything is posted, the budget agrees with the ledger, and nothing else is held."""
        while (call := self.one("running")) is not None:
            call.state, call.cost = "ended", call.truth
            await self.admission.settle(call.id, 1, call.cost)
        self.put([call for call in self.calls if call.state == "ended"])
        while (call := self.one("shipped", unsettled=True)) is not None:
            await self.settle()
        while self.outbox:
            await self.deliver()
        limit_status = (await self.admission.status(self.scopes)).budget
        assert limit_status is not None
        truth = sum(call.cost for call in self.calls)
        found = (limit_status.spent_nanousd, limit_status.held_nanousd, limit_status.unsettled_nanousd)
        assert found == (truth, 0, 0)
