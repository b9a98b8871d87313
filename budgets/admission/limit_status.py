"""Which limits a status shows, by one rule for every store: the smallest remainder, and the first one at a tie. Pure.

The stores (budgets/local, budgets/redis) only say what they count, as readings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from budgets.admission.interface import BudgetRule, BudgetStatus, RateLimitStatus, Return, ScopeRules


class RateReading(Protocol):
    """What the calls of one scope used in the last minute."""

    @property
    def requests(self) -> int: ...

    @property
    def tokens(self) -> int: ...

    def full_reset_ms(self, now: float) -> int:
        """Return the time until nothing of it counts any more."""
        ...


class MoneyReading(Protocol):
    """What is counted in one window: the ledger's total, and the settled calls beside it (nano-USD)."""

    @property
    def spent(self) -> int: ...

    @property
    def settled(self) -> int: ...


Owner = TypeVar("Owner")
Reading = TypeVar("Reading", bound=MoneyReading)


def rate_status(
    scopes: Sequence[ScopeRules], readings: Sequence[RateReading], now: float
) -> RateLimitStatus | None:
    """Return the smallest remainder of requests and, separately, of tokens; None if nothing is limited.

    `readings` are those of the scopes, at `now` (seconds of the clock of the rates).
    """
    requests: RateReading | None = None
    tokens: RateReading | None = None
    limit_r = limit_t = left_r = left_t = None
    for rules, reading in zip(scopes, readings, strict=True):
        limits = rules.limits
        limit = limits.requests_per_minute
        if limit is not None:
            left = limit - reading.requests
            if left_r is None or left < left_r:
                requests, limit_r, left_r = reading, limit, left
        limit = limits.tokens_per_minute
        if limit is not None:
            left = limit - reading.tokens
            if left_t is None or left < left_t:
                tokens, limit_t, left_t = reading, limit, left
    if requests is None and tokens is None:
        return None
    reset_r = 0 if requests is None else requests.full_reset_ms(now)
    reset_t = reset_r if tokens is requests else 0 if tokens is None else tokens.full_reset_ms(now)
    left_r = 0 if left_r is not None and left_r < 0 else left_r
    left_t = 0 if left_t is not None and left_t < 0 else left_t
    return RateLimitStatus(limit_r, left_r, reset_r, limit_t, left_t, reset_t)


def least_left(
    budgets: Iterable[tuple[Owner, BudgetRule, Reading]],
) -> tuple[Owner, BudgetRule, Reading] | None:
    """Return the budget with the least unspent money, whatever is held; None if there is none."""
    chosen: tuple[Owner, BudgetRule, Reading] | None = None
    least = 0
    for budget in budgets:
        _, rule, reading = budget
        left = rule.limit_nanousd - reading.spent - reading.settled
        if chosen is None or left < least:
            chosen, least = budget, left
    return chosen


def budget_status(  # noqa: PLR0913 - the numbers of a budget
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
