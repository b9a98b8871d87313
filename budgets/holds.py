"""Stopped for lack of money: reserves the worst case of a call before anything is sent, in one atomic admission.

First the cheap bound (bytes), which costs nothing; only when that does not fit are the tokens counted; only when that
does not fit either is the call refused, or its output clamped to what the money buys. Texts beyond 10 kB are counted
in a thread, so that the event loop is not held.
"""

from __future__ import annotations

import asyncio
import re
from typing import Protocol

import msgspec

from budgets.admission import Ask, BudgetRefused, Grant, ScopeRules
from budgets.demand import Demand
from budgets.worst_case import Bound, affordable_output, counted, worst_case
from catalog.routing import Route
from providers.prompt import count_prompt

BYTES_PER_TOKEN = 4
SHORT_BYTES = 4_000
DEFAULT_OUTPUT_TOKENS = (
    256  # reserved against TPM when the client gives no cap; the true number is charged at the end
)
IN_THREAD_BYTES = 10_000
_BASE64 = re.compile(rb"[A-Za-z0-9+/=\\]{1000,}")  # pictures and sound inside the body; text has spaces


class Held(msgspec.Struct, frozen=True):
    """A granted call: what is held for it, what its prompt is believed to be, and a lowered cap if it was clamped."""

    grant: Grant
    hold_nanousd: int
    input_tokens: int
    output_cap: int | None = None
    is_clamped: bool = False
    is_counted: bool = False  # made for the counted prompt: its bytes alone did not fit


class Gate(Protocol):
    """Who grants: admission, or a rehearsal of it (budgets/rehearsal.py)."""

    async def admit(self, ask: Ask) -> Grant: ...


class Wish(msgspec.Struct, frozen=True):
    """One call that asks for its grant."""

    request_id: str
    rules: tuple[ScopeRules, ...]
    route: Route
    demand: Demand
    raw: bytes

    def bound(self, demand: Demand, prompt: int | None = None) -> Bound:
        """Return the worst case by bytes, or by a counted prompt."""
        route, sheets = self.route, self.route.sheets
        names = [deployment.target.upstream_model for deployment in route.every]
        if prompt is None:
            return worst_case(demand, sheets, route.max_output_tokens, route.context_window, names)
        return counted(demand, prompt, sheets, route.max_output_tokens, route.context_window, names)


async def reserve(admission: Gate, wish: Wish) -> Held:
    """Return the grant. Raises RateRefused, BudgetRefused, AdmissionUnavailable; then nothing was changed."""
    prompt = prompt_tokens(wish.raw)
    bound = wish.bound(wish.demand)
    tokens = _rate_tokens(wish, prompt)
    try:
        grant = await admission.admit(Ask(wish.request_id, wish.rules, tokens, bound.nanousd))
    except BudgetRefused:
        return await _with_counted_prompt(admission, wish, tokens)
    return Held(grant, bound.nanousd, prompt, _cap_to_send(wish, bound))


async def _with_counted_prompt(admission: Gate, wish: Wish, tokens: int) -> Held:
    prompt = await count(wish.raw, wish.route.deployments[0].target.upstream_model)
    bound = wish.bound(wish.demand, prompt)
    try:
        grant = await admission.admit(Ask(wish.request_id, wish.rules, tokens, bound.nanousd))
    except BudgetRefused as refusal:
        if not _may_clamp(wish.rules, refusal):
            raise
        return await _clamped(admission, wish, tokens, prompt, refusal)
    return Held(grant, bound.nanousd, prompt, _cap_to_send(wish, bound), is_counted=True)


async def _clamped(admission: Gate, wish: Wish, tokens: int, prompt: int, refusal: BudgetRefused) -> Held:
    """Ask for as much output as the money that is free can buy."""
    budget = refusal.budget
    free = budget.limit_nanousd - budget.spent_nanousd - budget.held_nanousd
    names = [deployment.target.upstream_model for deployment in wish.route.every]
    output = affordable_output(free, wish.demand, prompt, wish.route.sheets, names)
    if output < 1:
        raise refusal
    bound = wish.bound(msgspec.structs.replace(wish.demand, output_cap=output), prompt)
    grant = await admission.admit(Ask(wish.request_id, wish.rules, tokens, bound.nanousd))
    return Held(grant, bound.nanousd, prompt, bound.output_cap, is_clamped=True, is_counted=True)


def prompt_tokens(raw: bytes) -> int:
    """Return a cheap estimate of the prompt's tokens; pictures sent inside the body are not text."""
    size = len(raw)
    if size > SHORT_BYTES:
        size -= sum(len(match) for match in _BASE64.findall(raw))
    return max(1, size // BYTES_PER_TOKEN)


def _rate_tokens(wish: Wish, prompt: int) -> int:
    """What TPM reserves: the prompt and the stated cap, or a modest output when none is stated.

    Only the prompt may make a call impossible: an output that would not fit is cut to the limit, and the true
    number is charged when the call is settled.
    """
    demand = wish.demand
    if demand.kind != "chat":
        return prompt
    most = wish.route.max_output_tokens or DEFAULT_OUTPUT_TOKENS
    output = demand.output_cap or min(most, DEFAULT_OUTPUT_TOKENS)
    rates = [rule.limits.tokens_per_minute for rule in wish.rules]
    limits = [rate for rate in rates if rate is not None]
    return max(prompt, min([prompt + output * demand.n, *limits]))


def _cap_to_send(wish: Wish, bound: Bound) -> int | None:
    """The cap that must reach the provider for the hold to be enough; None when the request says it already.

    A model whose maximum is known keeps to it by itself; where nothing is known, a cap is sent along.
    """
    if wish.demand.kind != "chat" or not any(rule.budgets for rule in wish.rules):
        return None
    stated = wish.demand.output_cap
    if stated is None:
        return bound.output_cap if wish.route.max_output_tokens is None and bound.nanousd else None
    return bound.output_cap if stated > bound.output_cap else None


def _may_clamp(rules: tuple[ScopeRules, ...], refusal: BudgetRefused) -> bool:
    """Every budget of the refusing scope must allow clamping."""
    return refusal.budget is not None and any(
        rule.scope == refusal.budget.scope and rule.budgets and all(budget.clamp for budget in rule.budgets)
        for rule in rules
    )


async def count(raw: bytes, model: str) -> int:
    """Return the tokens of the prompt, counted with the model's tokenizer or the closest one there is."""
    if len(raw) > IN_THREAD_BYTES:
        return await asyncio.to_thread(count_prompt, raw, model)
    return count_prompt(raw, model)
