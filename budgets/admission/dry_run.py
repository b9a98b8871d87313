"""What admission would decide, without admitting: the same checks on a snapshot of the limit status of the scopes.

Reads every scope and every budget separately, so it costs as many steps as there are rules; for simulations only.
The numbers of parallel calls are those of this process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from budgets.admission.interface import (
    SLOT_RETRY_MS,
    AdmissionRequest,
    BudgetRefused,
    BudgetStatus,
    Grant,
    Limits,
    LimitStatus,
    RateLimitStatus,
    RateRefused,
    ScopeRules,
)


class StatusReader(Protocol):
    """The read-only part of admission."""

    async def status(self, scopes: list[ScopeRules]) -> LimitStatus: ...


class RatePreview(msgspec.Struct, frozen=True):
    """A limit and what is left of it. `resets_in_ms`: the time until all of it is free, the longest wait."""

    scope: str
    rule: str  # parallel | requests | tokens
    limit: int
    remaining: int
    needed: int
    resets_in_ms: int

    @property
    def calls_left(self) -> int:
        """How many calls like this one still fit."""
        return self.remaining // self.needed


class BudgetPreview(msgspec.Struct, frozen=True):
    """A budget, and what the call would hold of it."""

    budget: BudgetStatus
    needed_nanousd: int

    @property
    def room_nanousd(self) -> int:
        return self.budget.room_nanousd

    @property
    def calls_left(self) -> int | None:
        """How many calls like this one still fit; None: it costs nothing, so any number."""
        return max(0, self.room_nanousd // self.needed_nanousd) if self.needed_nanousd else None


class DryRunAdmission:
    """Grants and refuses like admission, for budgets/admission/reserve.py, and stores nothing.

    The status is read once, at the first request; a second request with another hold uses the same status.
    """

    def __init__(
        self, admission: StatusReader, running: Callable[[str], int], now: Callable[[], float]
    ) -> None:
        self.asked: AdmissionRequest | None = None
        self._admission, self._running, self._now = admission, running, now
        self._rates: list[tuple[ScopeRules, RateLimitStatus]] = []
        self._budgets: list[BudgetStatus] = []
        self._whole: LimitStatus | None = None

    async def admit(self, ask: AdmissionRequest) -> Grant:
        """Return a grant without effect. Raises RateRefused, BudgetRefused, AdmissionUnavailable."""
        self.asked = ask
        if self._whole is None:
            self._whole = await self._look(ask)
        whole = self._whole
        for look in self.rates():
            if look.remaining < look.needed:
                refusal = RateRefused(
                    look.scope,
                    look.rule,
                    look.limit,
                    look.remaining,
                    look.resets_in_ms,
                    possible=look.needed <= look.limit,
                )
                refusal.limit_status = whole
                raise refusal
        tightest = min(self.budgets(), key=lambda look: look.room_nanousd, default=None)
        if tightest is not None and ask.hold_nanousd > max(0, tightest.room_nanousd):
            raise BudgetRefused(tightest.budget, ask.hold_nanousd, whole.rate)
        return Grant(ask.request_id, self._now(), whole)

    def rates(self) -> list[RatePreview]:
        """Return every limit that binds the call, in the order of admission."""
        tokens = self.asked.tokens if self.asked is not None else 0
        looks = []
        for rules, rate in self._rates:
            scope, limit = rules.scope, rules.limits.parallel_requests
            if limit is not None:
                left = max(0, limit - self._running(scope))
                looks.append(RatePreview(scope, "parallel", limit, left, 1, 0 if left else SLOT_RETRY_MS))
            if rate.limit_requests is not None:
                left, wait = rate.remaining_requests or 0, rate.reset_requests_ms
                looks.append(RatePreview(scope, "requests", rate.limit_requests, left, 1, wait))
            if rate.limit_tokens is not None:
                left, wait = rate.remaining_tokens or 0, rate.reset_tokens_ms
                looks.append(RatePreview(scope, "tokens", rate.limit_tokens, left, max(1, tokens), wait))
        return looks

    def budgets(self) -> list[BudgetPreview]:
        """Return every budget that binds the call."""
        needed = self.asked.hold_nanousd if self.asked is not None else 0
        return [BudgetPreview(budget, needed) for budget in self._budgets]

    async def _look(self, ask: AdmissionRequest) -> LimitStatus:
        for place, rules in enumerate(ask.scopes):
            # The other scopes are passed too, without rules: the tenant's scope gives the hash tag in Redis.
            others = [ScopeRules(each.scope) for each in ask.scopes[:place] + ask.scopes[place + 1 :]]
            rates = await self._admission.status([ScopeRules(rules.scope, rules.limits), *others])
            self._rates.append((rules, rates.rate or RateLimitStatus()))
            for budget in rules.budgets:
                alone = ScopeRules(rules.scope, Limits(), (budget,))
                one = await self._admission.status([alone, *others])
                if one.budget is not None:
                    self._budgets.append(one.budget)
        return await self._admission.status(list(ask.scopes))
