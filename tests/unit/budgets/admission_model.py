"""What admission must decide, written naively: a list of all calls ever, and sums over all of it. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from budgets.admission.budget_windows import is_rolling, window, window_from
from budgets.admission.interface import (
    AdmissionRequest,
    BudgetStatus,
    LimitStatus,
    RateLimitStatus,
    Return,
    ScopeRules,
    WindowKey,
    WindowTotal,
)

LEASE_S, ORPHAN_S, MINUTE_S = 30.0, 150.0, 61

Budgets = list[
    tuple[ScopeRules, int, float, WindowKey]
]  # whose, which of its budgets, when it ends, its window


@dataclass
class ModelCall:
    ask: AdmissionRequest
    instant: float
    at: float
    tokens: int
    amount: int
    renewed: float
    budgets: Budgets
    state: str = "running"  # then settled, then gone
    posted: bool = False
    answer: object = None
    unsettled: int = 0

    def concerns(self, scope: str) -> bool:
        return any(rules.scope == scope for rules in self.ask.scopes)


@dataclass
class Model:
    calls: list[ModelCall] = field(default_factory=list)
    totals: dict[WindowKey, WindowTotal] = field(default_factory=dict)
    returns: dict[WindowKey, Return] = field(default_factory=dict)
    orphans: int = 0
    tells_again: bool = False  # a worker that renews a call which was given up brings it back

    def look(self, now: float) -> None:
        for call in self.alive("running"):
            if call.renewed + ORPHAN_S <= now:
                call.state = "gone"
                self.orphans += 1

    def alive(self, *states: str) -> list[ModelCall]:
        return [call for call in self.calls if call.state in states]

    def find(self, request_id: str) -> ModelCall | None:
        return next((c for c in self.alive("running", "settled") if c.ask.request_id == request_id), None)

    def admit(self, ask: AdmissionRequest, now: float, instant: float) -> object:
        self.look(now)
        if known := self.find(ask.request_id):
            return known.answer
        for rules in ask.scopes:
            if no := self.rate_refusal(rules, ask.tokens, now):
                return no
        budgets = self.budgets(ask.scopes, instant)
        if ask.hold_nanousd and budgets:
            short = min(budgets, key=self.room)
            if self.room(short) < ask.hold_nanousd:
                return "budget", self.budget(short), ask.hold_nanousd, self.rates(ask.scopes, now)
        call = ModelCall(ask, instant, now, ask.tokens, ask.hold_nanousd, now, budgets)
        self.calls.append(call)
        call.answer = instant, self.limit_status(ask.scopes, budgets, now)
        return call.answer

    def rate_refusal(self, rules: ScopeRules, tokens: int, now: float) -> tuple[object, ...] | None:
        limits, minute = rules.limits, self.minute(rules.scope, now)
        slots = [c for c in self.alive("running") if c.concerns(rules.scope) and c.renewed + LEASE_S > now]
        if limits.parallel_requests is not None and len(slots) >= limits.parallel_requests:
            return rules.scope, "parallel", limits.parallel_requests, 0, 1000, True
        for rule, limit, wanted, taken in (
            ("requests", limits.requests_per_minute, 1, [1 for _ in minute]),
            ("tokens", limits.tokens_per_minute, tokens, [call.tokens for call in minute]),
        ):
            if limit is not None and sum(taken) + wanted > limit:
                seconds = [int(call.at) for call in minute]
                fits = [
                    t
                    for t in seconds
                    if sum(n for s, n in zip(seconds, taken, strict=True) if s > t) + wanted <= limit
                ]
                wait = math.ceil((min(fits or seconds[-1:] or [-MINUTE_S]) + MINUTE_S - now) * 1000)
                return (
                    rules.scope,
                    rule,
                    limit,
                    max(0, limit - sum(taken)),
                    wait if seconds else 0,
                    wanted <= limit,
                )
        return None

    def top_up(self, request_id: str, hold: int, now: float, instant: float) -> bool:
        self.look(now)
        call = self.find(request_id)
        if call is None or call.state == "settled" or call.posted:
            return False
        if any(is_rolling(key.schedule) and instant >= end for _, _, end, key in call.budgets):
            return False
        fits = all(self.room(each) >= hold - call.amount for each in call.budgets)
        if hold > call.amount and fits:
            call.amount = hold
        return hold <= call.amount

    def settle(self, request_id: str, tokens: int, cost: int, now: float, unsettled: int = 0) -> LimitStatus:
        self.look(now)
        call = self.find(request_id)
        if call is None:
            return LimitStatus()
        if call.state == "running":
            call.tokens, call.amount, call.unsettled = tokens, cost + unsettled, unsettled
            call.state = "gone" if call.posted or not call.amount else "settled"
        return self.limit_status(call.ask.scopes, call.budgets, now)

    def renew(self, ids: list[str], now: float) -> None:
        renewed = [call for call in self.alive("running") if call.ask.request_id in ids]
        self.look(now)
        for call in renewed:
            if call.state == "running" or self.tells_again:
                call.state, call.renewed = "running", now

    def post(self, posts: list[WindowTotal], ids: list[str], now: float) -> None:
        self.look(now)
        for post in posts:
            known = self.totals.get(post.window)
            if known is None or post.version > known.version:
                self.totals[post.window] = post
            first = Return.newer(self.returns.get(post.window), post.returns)
            if first is not None:
                self.returns[post.window] = first
        for call in self.alive("running", "settled"):
            if call.ask.request_id in ids:
                call.posted = True
                call.state = "gone" if call.state == "settled" else call.state

    def minute(self, scope: str, now: float) -> list[ModelCall]:
        return [c for c in self.calls if c.concerns(scope) and int(c.at) > int(now) - MINUTE_S]

    def budgets(self, scopes: tuple[ScopeRules, ...], instant: float) -> Budgets:
        return [
            (rules, i, span.end, WindowKey(rules.scope, rule.schedule, rule.timezone, span.start))
            for rules in scopes
            for i, rule in enumerate(rules.budgets)
            for span in [window(rule.schedule, rule.timezone, instant)]
        ]

    def reserved(self, state: str, end: float, key: WindowKey) -> int:
        inside = [c for c in self.alive(state) if key.start <= c.instant < end and c.concerns(key.scope)]
        return sum(call.amount for call in inside if not call.posted)

    def budget(self, which: tuple[ScopeRules, int, float, WindowKey]) -> BudgetStatus:
        rules, i, end, key = which
        rule, total = rules.budgets[i], self.totals[key]
        held, settled = self.reserved("running", end, key), self.reserved("settled", end, key)
        unsettled = total.unsettled_nanousd + self.unsettled(end, key)
        counted = total.spent_nanousd + settled
        last = window_from(rule.schedule, rule.timezone, key.start).returns
        first = self.returns.get(key)
        if first is None or not first.nanousd:
            first = Return(last, counted)
        return BudgetStatus(
            *(key.scope, rule.schedule, rule.limit_nanousd, counted - unsettled, held),
            *(first.at, rule.warning_ratio, first.nanousd, unsettled),
        )

    def unsettled(self, end: float, key: WindowKey) -> int:
        inside = [c for c in self.alive("settled") if key.start <= c.instant < end and c.concerns(key.scope)]
        return sum(call.unsettled for call in inside if not call.posted)

    def left(self, which: tuple[ScopeRules, int, float, WindowKey]) -> int:
        budget = self.budget(which)
        return budget.limit_nanousd - budget.spent_nanousd - budget.unsettled_nanousd

    def room(self, which: tuple[ScopeRules, int, float, WindowKey]) -> int:
        return self.left(which) - self.budget(which).held_nanousd

    def rates(self, scopes: tuple[ScopeRules, ...], now: float) -> RateLimitStatus | None:
        rpm = [(r.limits.requests_per_minute, 0, r.scope) for r in scopes]
        tpm = [(r.limits.tokens_per_minute, 1, r.scope) for r in scopes]
        least: list[tuple[int | None, int | None, int]] = []
        for limits in (rpm, tpm):
            some = [
                (limit - sum(call.tokens if t else 1 for call in self.minute(scope, now)), limit, scope)
                for limit, t, scope in limits
                if limit is not None
            ]
            left, limit, scope = min(some, key=lambda each: each[0]) if some else (None, None, "")
            last = [int(call.at) for call in self.minute(scope, now)][-1:]
            reset = math.ceil((last[0] + MINUTE_S - now) * 1000) if last else 0
            least.append((limit, None if left is None else max(0, left), reset if some else 0))
        (limit_r, left_r, reset_r), (limit_t, left_t, reset_t) = least
        if limit_r is None and limit_t is None:
            return None
        return RateLimitStatus(limit_r, left_r, reset_r, limit_t, left_t, reset_t)

    def limit_status(self, scopes: tuple[ScopeRules, ...], budgets: Budgets, now: float) -> LimitStatus:
        return LimitStatus(
            self.rates(scopes, now), self.budget(min(budgets, key=self.left)) if budgets else None
        )
