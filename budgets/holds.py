"""Stopped for lack of money: reserves the worst case of a call before anything is sent, in one atomic admission.

First the cheap bound (bytes), which costs nothing; only when that does not fit are the tokens counted, exactly or not
at all; only when that does not fit either is the call refused, or its output clamped to what the money buys. A hold is
made of bounds only; estimates go to rates and to people.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from budgets.admission import Ask, BudgetRefused, Grant, ScopeRules
from budgets.demand import Demand
from budgets.unbounded import check_bounded, check_cap
from budgets.worst_case import (
    HEARD_SECOND_TOKENS,
    WorstCase,
    affordable_output,
    counted,
    output_cap,
    worst_case,
)
from catalog.routing import Route
from providers.amounts import Bound, Estimate
from providers.media.pictures import most_tokens
from providers.prompt import BYTES_PER_TOKEN


class Held(msgspec.Struct, frozen=True):
    """A granted call: what is held for it, what its prompt is believed to be, and the cap that must be sent."""

    grant: Grant
    hold_nanousd: int
    prompt: Estimate
    sent_cap: int | None = None  # per choice: goes upstream as the only one; None: nothing needs it
    most_output: int | None = None  # tokens of all choices that may be charged; None: nobody limits them
    most_nanousd: int | None = None  # that may be charged; None: no budget binds
    is_cap_ours: bool = False  # the client did not state it, or stated more
    is_clamped: bool = False
    is_counted: bool = False  # made for the counted prompt: its bytes alone did not fit

    @property
    def output_cap(self) -> int | None:
        """The cap, where the gateway set it."""
        return self.sent_cap if self.is_cap_ours else None


class Gate(Protocol):
    """Who grants: admission, or a rehearsal of it (budgets/rehearsal.py)."""

    async def admit(self, ask: Ask) -> Grant: ...


class Counter(Protocol):
    """Who counts a prompt exactly (gateway/token_counter.py)."""

    async def count(self, tenant_id: int, raw: bytes, models: tuple[str, ...]) -> Bound | None:
        """Return the tokens of all text that becomes prompt; None: nobody can say, so the cheap bound stands."""
        ...


class Wish(msgspec.Struct, frozen=True):
    """One call that asks for its grant."""

    request_id: str
    rules: tuple[ScopeRules, ...]
    route: Route
    demand: Demand
    raw: bytes
    tenant_id: int = 0
    counter: Counter | None = None

    @property
    def keeps_money(self) -> bool:
        """Whether a budget binds the call, and the call can cost something."""
        return any(rule.budgets for rule in self.rules) and not all(sheet.free for sheet in self.route.sheets)

    @property
    def needs_cap(self) -> bool:
        """Whether a limit only holds if the provider gets a cap."""
        limits_tokens = any(rule.limits.tokens_per_minute is not None for rule in self.rules)
        return self.demand.kind == "chat" and (limits_tokens or self.keeps_money)

    @property
    def models(self) -> tuple[str, ...]:
        return tuple([deployment.target.upstream_model for deployment in self.route.every])

    def bound(self, demand: Demand, prompt: Bound | None = None) -> WorstCase:
        """Return the worst case by bytes, or by a counted prompt."""
        route, sheets = self.route, self.route.sheets
        if prompt is None:
            return worst_case(demand, sheets, route.max_output_tokens, route.context_window, self.models)
        return counted(demand, prompt, sheets, route.max_output_tokens, route.context_window, self.models)


async def reserve(admission: Gate, wish: Wish) -> Held:
    """Return the grant. Raises RateRefused, BudgetRefused, AdmissionUnavailable, FeatureUnpriced, Unbounded and
    AgainstCap; then nothing was changed.
    """
    needs_cap = wish.needs_cap
    if needs_cap or wish.keeps_money:
        check_cap(wish.demand)
    if wish.keeps_money:
        check_bounded(wish.demand, wish.route.sheets, wish.route.context_window)
    prompt = prompt_estimate(wish.demand)
    bound = wish.bound(wish.demand)
    tokens = _rate_tokens(wish, prompt)
    try:
        grant = await admission.admit(Ask(wish.request_id, wish.rules, tokens, bound.nanousd))
    except BudgetRefused as refusal:
        return await _with_counted_prompt(admission, wish, tokens, refusal)
    return _held(wish, grant, bound, prompt, needs_cap=needs_cap)


async def _with_counted_prompt(admission: Gate, wish: Wish, tokens: int, refusal: BudgetRefused) -> Held:
    prompt: Bound | None = None
    if wish.counter is not None and not wish.demand.needs_window:
        prompt = await wish.counter.count(wish.tenant_id, wish.raw, wish.models)
    if prompt is None:
        return await _clamped(admission, wish, tokens, None, refusal)
    bound = wish.bound(wish.demand, prompt)
    try:
        grant = await admission.admit(Ask(wish.request_id, wish.rules, tokens, bound.nanousd))
    except BudgetRefused as again:
        again.is_counted = True
        return await _clamped(admission, wish, tokens, prompt, again)
    return _held(wish, grant, bound, Estimate(prompt.tokens), needs_cap=True, is_counted=True)


async def _clamped(
    admission: Gate, wish: Wish, tokens: int, prompt: Bound | None, refusal: BudgetRefused
) -> Held:
    """Ask for as much output as the money that is free can buy, where every budget of the scope allows that."""
    if wish.demand.kind != "chat" or not _may_clamp(wish.rules, refusal):
        raise refusal
    budget, route = refusal.budget, wish.route
    free = budget.limit_nanousd - budget.spent_nanousd - budget.held_nanousd
    output = affordable_output(free, wish.demand, prompt, route.sheets, route.context_window, wish.models)
    output = min(output, output_cap(wish.demand, route.max_output_tokens, route.context_window))
    if output < 1:
        raise refusal
    bound = wish.bound(msgspec.structs.replace(wish.demand, output_cap=output), prompt)
    grant = await admission.admit(Ask(wish.request_id, wish.rules, tokens, bound.nanousd))
    believed = Estimate(prompt.tokens) if prompt is not None else prompt_estimate(wish.demand)
    held = _held(wish, grant, bound, believed, needs_cap=True, is_counted=prompt is not None)
    return msgspec.structs.replace(held, is_clamped=True, is_cap_ours=True)


def _held(
    wish: Wish, grant: Grant, bound: WorstCase, prompt: Estimate, *, needs_cap: bool, is_counted: bool = False
) -> Held:
    demand, most = wish.demand, bound.nanousd if wish.keeps_money else None
    if demand.kind != "chat":
        return Held(grant, bound.nanousd, prompt, most_nanousd=most, is_counted=is_counted)
    cap = bound.output_cap if needs_cap else demand.output_cap
    return Held(
        grant,
        bound.nanousd,
        prompt,
        sent_cap=bound.output_cap if needs_cap else None,
        most_output=None if cap is None else (cap + demand.predicted_bytes) * demand.n,
        most_nanousd=most,
        is_cap_ours=needs_cap and (demand.output_cap is None or demand.output_cap > bound.output_cap),
        is_counted=is_counted,
    )


def prompt_estimate(demand: Demand) -> Estimate:
    """Return a cheap estimate of the prompt's tokens; media inside the body are not text."""
    pictures = sum([most_tokens(picture, ("gpt-4o",)) for picture in demand.pictures])
    sounds = demand.audio_ms * HEARD_SECOND_TOKENS // 1000
    return Estimate(max(1, demand.body_bytes // BYTES_PER_TOKEN + pictures + sounds))


def _rate_tokens(wish: Wish, prompt: Estimate) -> int:
    """What TPM reserves: the prompt, and the most that the call may write. The true number is charged at its end.

    Only the prompt may make a call impossible. A call that alone could use up the limit takes half of it, so that it
    is granted beside others.
    """
    demand = wish.demand
    if demand.kind != "chat":
        return prompt.tokens
    writes = output_cap(demand, wish.route.max_output_tokens, wish.route.context_window) * demand.n
    whole = prompt.tokens + writes
    rates = [rule.limits.tokens_per_minute for rule in wish.rules]
    least = min([rate for rate in rates if rate is not None], default=whole)
    return whole if whole <= least else max(prompt.tokens, least // 2)


def _may_clamp(rules: tuple[ScopeRules, ...], refusal: BudgetRefused) -> bool:
    """Every budget of the refusing scope must allow clamping."""
    return refusal.budget is not None and any(
        rule.scope == refusal.budget.scope and rule.budgets and all(budget.clamp for budget in rule.budgets)
        for rule in rules
    )
