"""Decodes the replies of the scripts: grants, refusals, limit status. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from budgets.admission.interface import (
    SLOT_RETRY_MS,
    AdmissionRequest,
    BudgetRefused,
    BudgetStatus,
    LimitStatus,
    RateLimitStatus,
    RateRefused,
    Return,
    ScopeRules,
)
from budgets.admission.limit_status import budget_status
from budgets.local.sliding_window import SPAN_S
from budgets.redis.scope_request import ScopeRequest

_KNOWN, _MISSING = 2, 0


class ScriptReply(msgspec.Struct, frozen=True, array_like=True):
    """`rates`, per scope: requests, tokens, newest second. `money`, per budget: spent, settled, held, state (2: known,
    1: not known, 0: no window), the unsettled part of spent and settled.

    For a rolling budget also the instant and the amount of its first return, where that is of another day.
    """

    status: str
    now: float
    instant: float
    detail: list[Any]
    rates: list[tuple[int, int, int]]
    money: list[tuple[int, ...]]


def standing_of(want: ScopeRequest, reply: ScriptReply, at_least: int = _MISSING + 1) -> LimitStatus:
    """Return rates and money, by the rules of budgets/admission/limit_status.py."""
    return LimitStatus(rates_of(want.scopes, reply), _money_of(want, reply, at_least))


def rates_of(scopes: Sequence[ScopeRules], reply: ScriptReply) -> RateLimitStatus | None:
    """Return the smallest remainder of requests and, separately, of tokens; the first scope wins a tie."""
    least: list[tuple[int | None, int | None, int]] = []
    for which in (0, 1):
        chosen: tuple[int, int, int] | None = None
        for rules, reading in zip(scopes, reply.rates, strict=True):
            limits = rules.limits
            limit = limits.tokens_per_minute if which else limits.requests_per_minute
            if limit is not None and (chosen is None or limit - reading[which] < chosen[0]):
                chosen = (limit - reading[which], limit, _until_ms(reading[2], reply.now))
        least.append((None, None, 0) if chosen is None else (max(0, chosen[0]), chosen[1], chosen[2]))
    (left_r, limit_r, reset_r), (left_t, limit_t, reset_t) = least
    if limit_r is None and limit_t is None:
        return None
    return RateLimitStatus(limit_r, left_r, reset_r, limit_t, left_t, reset_t)


def _money_of(want: ScopeRequest, reply: ScriptReply, at_least: int) -> BudgetStatus | None:
    found: list[tuple[int, int]] = []
    for place, (bound, reading) in enumerate(zip(want.bounds, reply.money, strict=True)):
        if reading[3] >= at_least:
            found.append((bound.rule.limit_nanousd - reading[0] - reading[1], place))
    return budget_of(want, reply, min(found)[1]) if found else None


def budget_of(want: ScopeRequest, reply: ScriptReply, place: int) -> BudgetStatus:
    bound, (spent, settled, held, _, unsettled, *returns) = want.bounds[place], reply.money[place]
    first = Return(float(returns[0]), returns[1]) if returns else None
    counted = spent + settled
    return budget_status(bound.key.scope, bound.rule, counted, held, unsettled, bound.span.returns, first)


def refusal(
    want: ScopeRequest, reply: ScriptReply, ask: AdmissionRequest
) -> RateRefused | BudgetRefused | None:
    """Return the refusal, if the reply is one."""
    if reply.status in ("parallel", "requests", "tokens"):
        return rate_refusal(want, reply, ask.tokens)
    if reply.status == "budget":
        short = budget_of(want, reply, reply.detail[0])
        return BudgetRefused(short, ask.hold_nanousd, rates_of(want.scopes, reply))
    return None


def rate_refusal(want: ScopeRequest, reply: ScriptReply, tokens: int) -> RateRefused:
    """Return the refusal by a rate: the reply's status names the rule."""
    which, second = reply.detail
    rules = want.scopes[which]
    limits, wait = rules.limits, _until_ms(second, reply.now)
    limit, left, possible = limits.parallel_requests or 0, 0, True
    if reply.status == "parallel":
        wait = SLOT_RETRY_MS
    elif reply.status == "requests":
        limit = limits.requests_per_minute or 0
    else:
        limit = limits.tokens_per_minute or 0
        left, possible = max(0, limit - reply.rates[which][1]), tokens <= limit
    refused = RateRefused(rules.scope, reply.status, limit, left, wait, possible=possible)
    refused.standing = standing_of(want, reply, _KNOWN)
    return refused


def _until_ms(second: int, now: float) -> int:
    return math.ceil((second + SPAN_S - now) * 1000) if second >= 0 else 0
