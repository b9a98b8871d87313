"""Limit status from the counters in memory, and what a new hold may take.

Read-only; the caller has advanced the sliding windows.
"""

from __future__ import annotations

from collections.abc import Sequence

from budgets.admission.interface import BudgetRule, BudgetStatus, LimitStatus, RateLimitStatus, ScopeRules
from budgets.admission.limit_status import budget_status, least_left, rate_status
from budgets.local.scope_state import Bound, ScopeState
from budgets.local.window_cache import WindowState


def limit_status(
    scopes: Sequence[ScopeRules], counters: Sequence[ScopeState], bounds: Sequence[Bound], now: float
) -> LimitStatus:
    """Return rates and money; `now` is the clock of the sliding windows."""
    least = least_left(bounds)
    return LimitStatus(rates(scopes, counters, now), None if least is None else of_budget(*least))


def rates(scopes: Sequence[ScopeRules], counters: Sequence[ScopeState], now: float) -> RateLimitStatus | None:
    """Return the status of the rates; `now` is the clock of the sliding windows."""
    return rate_status(scopes, [each.window for each in counters], now)


def room(bound: Bound) -> int:
    """Return what a new hold may take of a budget."""
    _, rule, state = bound
    return rule.limit_nanousd - state.spent - state.settled - state.held


def tightest(bounds: Sequence[Bound], hold_nanousd: int) -> Bound | None:
    """Return the budget with the least room if the hold does not fit into it. A hold of 0 always fits."""
    if not hold_nanousd or not bounds:
        return None
    least = min(bounds, key=room)
    return least if room(least) < hold_nanousd else None


def of_budget(scope: str, rule: BudgetRule, state: WindowState) -> BudgetStatus:
    counted, unsettled = state.spent + state.settled, state.unsettled + state.waiting
    return budget_status(scope, rule, counted, state.held, unsettled, state.returns, state.first)
