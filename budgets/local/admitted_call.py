"""One call from its grant until the ledger has it: the record of its slot, its reserved tokens and its hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from budgets.admission.interface import AdmissionRequest, BudgetRule, Grant
from budgets.local.sliding_window import Bucket
from budgets.local.window_cache import WindowState

if TYPE_CHECKING:
    from budgets.local.scope_state import ScopeState

Bound = tuple[str, BudgetRule, WindowState]  # a budget that binds a call: its scope, its rule, its window


class AdmittedCall:
    """`amount` counts in every window: its hold while it runs, then its cost including what is `unsettled`."""

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
        "request_id",
        "scopes",
        "seconds",
        "tokens",
        "unsettled",
    )

    grant: Grant

    def __init__(
        self, ask: AdmissionRequest, counters: list[ScopeState], bounds: list[Bound], admitted_at: float
    ) -> None:
        self.request_id, self.scopes, self.tokens = ask.request_id, ask.scopes, ask.tokens
        self.counters, self.bounds, self.admitted_at = counters, bounds, admitted_at
        self.amount = self.unsettled = 0
        self.purses: list[WindowState] = []
        self.seconds: list[Bucket] = []
        self.renewed_at = self.lease_ends = 0.0
        self.is_settled = False
        self.is_posted = False  # the ledger had it before the settlement: nothing is held any more

    def hold(self, nanousd: int) -> None:
        """Hold this amount in every window of its scopes; once in each, however many budgets use it."""
        self.amount = nanousd
        for counters in self.counters:
            counters.calls[self.request_id] = self
            for purse in counters.windows_at(self.admitted_at):
                self._add(purse)

    def is_of_another_day(self, instant: float) -> bool:
        """Return whether a rolling window binds it by now that it was not granted in."""
        return any(purse.since > purse.start and instant >= purse.end for _, _, purse in self.bounds)

    def raise_hold(self, nanousd: int) -> None:
        for purse in self.purses:
            purse.held += nanousd - self.amount
        self.amount = nanousd

    def settle(self, nanousd: int, unsettled: int = 0) -> None:
        """Replace the hold by an amount that waits for the ledger; `unsettled` is a part of it."""
        for purse in self.purses:
            purse.held -= self.amount
            purse.settled += nanousd
            purse.waiting += unsettled
        self.amount, self.unsettled, self.is_settled = nanousd, unsettled, True

    def release(self) -> None:
        """Remove the call from its windows and scopes."""
        self.clear()
        for counters in self.counters:
            counters.calls.pop(self.request_id, None)

    def clear(self) -> None:
        """Subtract the call's amount from every window."""
        for purse in self.purses:
            purse.rows -= 1
            if self.is_settled:
                purse.settled -= self.amount
                purse.waiting -= self.unsettled
            else:
                purse.held -= self.amount
        self.purses = []

    def add_to(self, purse: WindowState) -> None:
        """Add the call to a window of one of its scopes, if it was granted in it and is not in it yet."""
        is_inside = purse.start <= self.admitted_at < purse.end
        if is_inside and not self.is_posted and purse not in self.purses:
            self._add(purse)

    def _add(self, purse: WindowState) -> None:
        self.purses.append(purse)
        purse.rows += 1
        if self.is_settled:
            purse.settled += self.amount
            purse.waiting += self.unsettled
        else:
            purse.held += self.amount
