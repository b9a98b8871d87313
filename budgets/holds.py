"""Stopped for lack of money: reserves the worst case of a call before anything is sent, in one atomic admission.

First the cheap bound (bytes), which costs nothing; only when that does not fit are the tokens counted; only when that
does not fit either is the call refused, or its output clamped to what the money buys. Texts beyond 50 kB are counted
in a thread, so that the event loop is not held.
"""

from __future__ import annotations

import asyncio
import re

import msgspec

from budgets.admission import Admission, Ask, BudgetRefused, Grant, ScopeRules
from budgets.demand import Demand
from budgets.worst_case import Bound, affordable_output, counted, worst_case
from catalog.routing import Route
from providers.prompt import count_prompt

BYTES_PER_TOKEN = 4
DEFAULT_OUTPUT_TOKENS = 256  # reserved against TPM when the client gives no cap; the true number is charged at the end
IN_THREAD_BYTES = 50_000
_BASE64 = re.compile(rb";base64,[A-Za-z0-9+/=\\]+")


class Held(msgspec.Struct, frozen=True):
    """A granted call: what is held for it, what its prompt is believed to be, and a lowered cap if it was clamped."""

    grant: Grant
    hold_nanousd: int
    input_tokens: int
    output_cap: int | None = None


async def reserve(  # noqa: PLR0913 - one call, told once
    admission: Admission, rules: tuple[ScopeRules, ...], route: Route, demand: Demand, raw: bytes, request_id: str
) -> Held:
    """Return the grant. Raises RateRefused, BudgetRefused, AdmissionUnavailable; then nothing was changed."""
    model = route.model
    bound = worst_case(demand, route.sheets, model.max_output_tokens, model.context_window)
    prompt = prompt_tokens(raw)
    tokens = _rate_tokens(rules, prompt, demand, model.max_output_tokens)
    cap = _unstated_cap(demand, bound, route)
    try:
        grant = await admission.admit(Ask(request_id, rules, tokens, bound.nanousd))
    except BudgetRefused as refusal:
        return await _with_counted_prompt(admission, rules, route, demand, raw, request_id, tokens, refusal)
    return Held(grant, bound.nanousd, prompt, cap)


async def _with_counted_prompt(  # noqa: PLR0913
    admission: Admission,
    rules: tuple[ScopeRules, ...],
    route: Route,
    demand: Demand,
    raw: bytes,
    request_id: str,
    tokens: int,
    refusal: BudgetRefused,
) -> Held:
    model = route.model
    prompt = await _count(raw, route.deployments[0].target.upstream_model)
    bound = counted(demand, prompt, route.sheets, model.max_output_tokens, model.context_window)
    try:
        grant = await admission.admit(Ask(request_id, rules, tokens, bound.nanousd))
    except BudgetRefused as second:
        refusal = second
    else:
        return Held(grant, bound.nanousd, prompt, _unstated_cap(demand, bound, route))
    if not _may_clamp(rules, refusal):
        raise refusal
    budget = refusal.budget
    free = budget.limit_nanousd - budget.spent_nanousd - budget.held_nanousd
    output = affordable_output(free, demand, prompt, route.sheets)
    if output < 1:
        raise refusal
    smaller = msgspec.structs.replace(demand, output_cap=output)
    bound = counted(smaller, prompt, route.sheets, model.max_output_tokens, model.context_window)
    grant = await admission.admit(Ask(request_id, rules, tokens, bound.nanousd))
    return Held(grant, bound.nanousd, prompt, output)


def prompt_tokens(raw: bytes) -> int:
    """Return a cheap estimate of the prompt's tokens; pictures sent inside the body are not text."""
    size = len(raw)
    if b";base64," in raw:
        size -= sum(len(match) for match in _BASE64.findall(raw))
    return max(1, size // BYTES_PER_TOKEN)


def _rate_tokens(rules: tuple[ScopeRules, ...], prompt: int, demand: Demand, max_output: int | None) -> int:
    """What TPM reserves: the prompt and the stated cap, or a modest output when none is stated.

    Only the prompt may make a call impossible: an output that would not fit is cut to the limit, and the true number is
    charged when the call is settled.
    """
    if demand.kind != "chat":
        return prompt
    output = demand.output_cap or min(max_output or DEFAULT_OUTPUT_TOKENS, DEFAULT_OUTPUT_TOKENS)
    limits = [rule.limits.tokens_per_minute for rule in rules if rule.limits.tokens_per_minute is not None]
    return max(prompt, min([prompt + output * demand.n, *limits]))


def _unstated_cap(demand: Demand, bound: Bound, route: Route) -> int | None:
    """The cap to send upstream when the client gave none and no known model limit keeps the output within the hold."""
    if demand.kind != "chat" or demand.output_cap is not None or route.model.max_output_tokens is not None:
        return None
    return bound.output_tokens // max(1, demand.n) if bound.nanousd else None


def _may_clamp(rules: tuple[ScopeRules, ...], refusal: BudgetRefused) -> bool:
    """Every budget of the refusing scope must allow clamping."""
    return refusal.budget is not None and any(
        rule.scope == refusal.budget.scope and rule.budgets and all(budget.clamp for budget in rule.budgets)
        for rule in rules
    )


async def _count(raw: bytes, model: str) -> int:
    if len(raw) > IN_THREAD_BYTES:
        return await asyncio.to_thread(count_prompt, raw, model)
    return count_prompt(raw, model)
