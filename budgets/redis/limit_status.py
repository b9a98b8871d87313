"""Limit status and refusals from the readings in a reply. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, assert_never

from budgets.admission.interface import (
    SLOT_RETRY_MS,
    AdmissionRequest,
    BudgetRefused,
    BudgetStatus,
    LimitStatus,
    RateLimitStatus,
    RateRefused,
    ScopeRules,
)
from budgets.admission.limit_status import budget_status, least_left, rate_status
from budgets.redis.commands import RateRefusal
from budgets.redis.replies import (
    KNOWN,
    NOT_KNOWN,
    BudgetMoney,
    BudgetShort,
    ParallelRefused,
    RequestsRefused,
    ScopeRates,
    TokensRefused,
    until_ms,
)
from budgets.redis.scope_request import BudgetBinding, ScopeRequest


class Readings(Protocol):
    """A reply with rates of each scope and money of each budget of the request."""

    @property
    def now(self) -> float: ...

    @property
    def rates(self) -> list[ScopeRates]: ...

    @property
    def money(self) -> list[BudgetMoney]: ...


def limit_status_of(want: ScopeRequest, reply: Readings, at_least: int = NOT_KNOWN) -> LimitStatus:
    """Return rates and money; the money of windows whose state is `at_least` this."""
    least = least_left(
        (bound, bound.rule, money)
        for bound, money in zip(want.bounds, reply.money, strict=True)
        if money.state >= at_least
    )
    budget = None if least is None else _budget_of(least[0], least[2])
    return LimitStatus(rates_of(want.scopes, reply), budget)


def rates_of(scopes: Sequence[ScopeRules], reply: Readings) -> RateLimitStatus | None:
    return rate_status(scopes, reply.rates, reply.now)


def budget_of(want: ScopeRequest, reply: Readings, place: int) -> BudgetStatus:
    return _budget_of(want.bounds[place], reply.money[place])


def budget_refusal(want: ScopeRequest, reply: BudgetShort, ask: AdmissionRequest) -> BudgetRefused:
    return BudgetRefused(budget_of(want, reply, reply.place), ask.hold_nanousd, rates_of(want.scopes, reply))


def rate_refusal(want: ScopeRequest, reply: RateRefusal, tokens: int) -> RateRefused:
    """Return the refusal of a call with these tokens."""
    place, wait = reply.excess.place, until_ms(reply.excess.freed_by, reply.now)
    scope, limits = want.scopes[place].scope, want.scopes[place].limits
    match reply:
        case ParallelRefused():
            refused = RateRefused(scope, "parallel", limits.parallel_requests or 0, 0, SLOT_RETRY_MS)
        case RequestsRefused():
            refused = RateRefused(scope, "requests", limits.requests_per_minute or 0, 0, wait)
        case TokensRefused():
            limit = limits.tokens_per_minute or 0
            left = max(0, limit - reply.rates[place].tokens)
            refused = RateRefused(scope, "tokens", limit, left, wait, possible=tokens <= limit)
        case _:
            assert_never(reply)
    refused.limit_status = limit_status_of(want, reply, KNOWN)
    return refused


def _budget_of(bound: BudgetBinding, money: BudgetMoney) -> BudgetStatus:
    counted = money.spent + money.settled
    scope, returns = bound.key.scope, bound.span.returns
    return budget_status(scope, bound.rule, counted, money.held, money.unsettled, returns, money.first)
