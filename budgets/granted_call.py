"""One call from its grant until the ledger has it: the row behind a slot, a reservation of tokens and a hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from budgets.admission import BudgetRule, Grant, ScopeRules
from budgets.purses import Purse
from budgets.ring import Second

if TYPE_CHECKING:
    from budgets.counters import Counters

Bound = tuple[str, BudgetRule, Purse]  # a budget that binds a call: its scope, its rule, its money


class GrantedCall:
    """`amount` is what it takes from every purse: its hold while it runs, its cost once it is settled."""

    __slots__ = (
        "admitted_at",
        "amount",
        "bounds",
        "counters",
        "grant",
        "is_posted",
        "is_settled",
        "lease_ends",
        "purses",
        "renewed_at",
        "scopes",
        "seconds",
        "tokens",
    )

    grant: Grant

    def __init__(
        self, scopes: tuple[ScopeRules, ...], tokens: int, bounds: list[Bound], admitted_at: float
    ) -> None:
        self.scopes, self.tokens, self.bounds, self.admitted_at = scopes, tokens, bounds, admitted_at
        self.amount = 0
        self.purses: list[Purse] = []
        self.counters: list[Counters] = []
        self.seconds: list[Second] = []
        self.renewed_at = self.lease_ends = 0.0
        self.is_settled = False
        self.is_posted = False  # the ledger was quicker than the settlement: nothing is left to hold

    def hold(self, nanousd: int, purses: list[Purse]) -> None:
        """Reserve so much in each of these; once, however many budgets look at one."""
        self.amount = nanousd
        for purse in purses:
            if purse not in self.purses:
                self._enter(purse)

    def raise_hold(self, nanousd: int) -> None:
        for purse in self.purses:
            purse.held += nanousd - self.amount
        self.amount = nanousd

    def settle(self, nanousd: int) -> None:
        """Turn the hold into an amount that waits for the ledger."""
        for purse in self.purses:
            purse.held -= self.amount
            purse.settled += nanousd
        self.amount, self.is_settled = nanousd, True

    def leave(self) -> None:
        """Take the call's money out of every window."""
        for purse in self.purses:
            purse.rows -= 1
            if self.is_settled:
                purse.settled -= self.amount
            else:
                purse.held -= self.amount
        self.purses = []

    def count_in(self, purse: Purse) -> None:
        """Enter a window that is looked at for the first time, if the call was granted in it."""
        is_inside = purse.start <= self.admitted_at < purse.end
        if is_inside and not self.is_posted and any(rules.scope == purse.key.scope for rules in self.scopes):
            self._enter(purse)

    def _enter(self, purse: Purse) -> None:
        self.purses.append(purse)
        purse.rows += 1
        if self.is_settled:
            purse.settled += self.amount
        else:
            purse.held += self.amount
