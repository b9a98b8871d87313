"""Limit status from the counters: the scope with the least rate left, the budget with the least money left.

Read-only; the caller has advanced the sliding windows.
"""

from __future__ import annotations

from collections.abc import Sequence

from budgets.admission.interface import (
    BudgetRule,
    BudgetStatus,
    LimitStatus,
    RateLimitStatus,
    Return,
    ScopeRules,
)
from budgets.local.admitted_call import Bound
from budgets.local.scope_state import ScopeState
from budgets.local.sliding_window import SlidingWindow
from budgets.local.window_cache import WindowState


def standing(
    scopes: Sequence[ScopeRules], counters: Sequence[ScopeState], bounds: Sequence[Bound], now: float
) -> LimitStatus:
    """Return rates and money; `now` is the clock of the sliding windows."""
    return LimitStatus(rates(scopes, counters, now), money(bounds))


def rates(scopes: Sequence[ScopeRules], counters: Sequence[ScopeState], now: float) -> RateLimitStatus | None:
    """Return the smallest remainder of requests and, separately, of tokens; the first scope wins a tie."""
    requests: tuple[int, int, SlidingWindow] | None = None
    tokens: tuple[int, int, SlidingWindow] | None = None
    for rules, counter in zip(scopes, counters, strict=True):
        limits, ring = rules.limits, counter.window
        limit = limits.requests_per_minute
        if limit is not None and (requests is None or limit - ring.requests < requests[0]):
            requests = (limit - ring.requests, limit, ring)
        limit = limits.tokens_per_minute
        if limit is not None and (tokens is None or limit - ring.tokens < tokens[0]):
            tokens = (limit - ring.tokens, limit, ring)
    if requests is None and tokens is None:
        return None
    left_r, limit_r, reset_r = _rendered(requests, now)
    if requests is not None and tokens is not None and tokens[2] is requests[2]:
        return RateLimitStatus(limit_r, left_r, reset_r, tokens[1], max(0, tokens[0]), reset_r)
    left_t, limit_t, reset_t = _rendered(tokens, now)
    return RateLimitStatus(limit_r, left_r, reset_r, limit_t, left_t, reset_t)


def _rendered(least: tuple[int, int, SlidingWindow] | None, now: float) -> tuple[int | None, int | None, int]:
    if least is None:
        return None, None, 0
    left, limit, ring = least
    return max(0, left), limit, ring.full_reset_ms(now)


def money(bounds: Sequence[Bound]) -> BudgetStatus | None:
    """Return the budget with the least unspent money; the first one wins a tie."""
    chosen: Bound | None = None
    least = 0
    for bound in bounds:
        _, rule, purse = bound
        left = rule.limit_nanousd - purse.spent - purse.settled
        if chosen is None or left < least:
            chosen, least = bound, left
    return None if chosen is None else of_budget(*chosen)


def room(bound: Bound) -> int:
    """Return what a new hold may take of a budget."""
    _, rule, purse = bound
    return rule.limit_nanousd - purse.spent - purse.settled - purse.held


def tightest(bounds: Sequence[Bound], hold_nanousd: int) -> Bound | None:
    """Return the budget with the least room if the hold does not fit into it. A hold of 0 always fits."""
    if not hold_nanousd or not bounds:
        return None
    least = min(bounds, key=room)
    return least if room(least) < hold_nanousd else None


def of_budget(scope: str, rule: BudgetRule, purse: WindowState) -> BudgetStatus:
    counted, unsettled = purse.spent + purse.settled, purse.unsettled + purse.waiting
    return budget_standing(scope, rule, counted, purse.held, unsettled, purse.returns, purse.first)


def budget_standing(  # noqa: PLR0913 - the numbers of a budget
    scope: str,
    rule: BudgetRule,
    counted: int,
    held: int,
    unsettled: int,
    returns: float,
    first: Return | None,
) -> BudgetStatus:
    """Return the status of a budget. `unsettled` is a part of what is `counted`.

    `returns`: when what is counted now comes back; `first`: the part that comes back before that.
    """
    if first is not None and not first.nanousd:
        first = None
    return BudgetStatus(
        scope,
        rule.schedule,
        rule.limit_nanousd,
        counted - unsettled,
        held,
        returns if first is None else first.at,
        rule.warning_ratio,
        counted if first is None else first.nanousd,
        unsettled,
    )
