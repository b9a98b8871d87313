"""Reserves the worst case of a call in one atomic admission before anything is sent, or refuses it for lack of money.

First the cheap bound (bytes), which costs nothing; only when that does not fit are the tokens counted, here or by the
providers, or not at all; only when that does not fit either is the call refused, or its output clamped to what the
money buys. A hold is made of bounds only; estimates are used for rates and for display.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from budgets.admission.demand import Demand
from budgets.admission.hold_causes import causes
from budgets.admission.interface import AdmissionRequest, BudgetRefused, Grant, RateRefused, ScopeRules
from budgets.admission.prompt_counts import ReservationRequest, counted_prompt
from budgets.admission.unbounded_requests import check_bounded, check_cap
from budgets.admission.worst_case import (
    INPUT_AUDIO_SECOND_TOKENS,
    WorstCase,
    affordable_output,
    counted,
    output_cap,
    worst_case,
)
from catalog.pricing.price_terms import costs_tokens
from catalog.pricing.prices import PriceSheet
from providers.media.image_tokens import MediaLimits, max_tokens_of_page, media_limits_for
from providers.media.images import most_tokens
from providers.media.pdf.measure import Document
from providers.tokens.amounts import Estimate, PromptCount
from providers.tokens.prompt import BYTES_PER_TOKEN

PAGE_TOKENS = 1_500  # an estimate for the picture of a page


class Reservation(msgspec.Struct, frozen=True):
    """A granted call: its hold, the estimate of its prompt, and the cap that must be sent."""

    grant: Grant
    hold_nanousd: int
    prompt: Estimate
    sent_cap: int | None = None  # per choice: the only cap sent upstream; None: none is needed
    most_output: int | None = None  # tokens of all choices that may be charged; None: no limit
    most_nanousd: int | None = None  # nano-USD that may be charged; None: no budget binds
    is_cap_ours: bool = False  # the client did not state it, or stated more
    is_clamped: bool = False
    is_lowered: bool = False  # the client stated more than the cap that is sent
    is_counted: bool = False  # made for the counted prompt: its bytes alone did not fit
    is_providers_count: bool = False  # by the count of a provider

    @property
    def output_cap(self) -> int | None:
        """The cap, where the gateway set it."""
        return self.sent_cap if self.is_cap_ours else None


class Admits(Protocol):
    """Grants calls: admission, or a dry run of it (budgets/admission/dry_run.py)."""

    async def admit(self, ask: AdmissionRequest) -> Grant: ...


class _Terms(msgspec.Struct, frozen=True):
    """The limits of a call and its possible deployments, read once."""

    sheets: tuple[PriceSheet, ...]
    models: tuple[MediaLimits, ...]
    max_output_tokens: int | None
    context_window: int | None
    tokens_per_minute: int | None  # the lowest of its scopes
    keeps_money: bool  # a budget binds the call, and the call can cost something

    @property
    def needs_cap(self) -> bool:
        return self.keeps_money or self.tokens_per_minute is not None

    @property
    def counts_tokens(self) -> bool:
        """Whether the number of tokens matters: some models cost nothing, or only by the request."""
        return self.tokens_per_minute is not None or any(map(costs_tokens, self.sheets))

    def bound(self, demand: Demand, prompt: PromptCount | None = None) -> WorstCase:
        """Return the worst case by bytes, or by a counted prompt."""
        window, most = self.context_window, self.max_output_tokens
        if prompt is None:
            return worst_case(demand, self.sheets, most, window, self.models)
        return counted(demand, prompt, self.sheets, most, window, self.models)


def _terms(ask: ReservationRequest) -> _Terms:
    route = ask.route
    has_budget, per_minute = False, None
    for rule in ask.rules:
        has_budget = has_budget or bool(rule.budgets)
        limit = rule.limits.tokens_per_minute
        if limit is not None and (per_minute is None or limit < per_minute):
            per_minute = limit
    sheets, models, costs = [], [], False
    for deployment in route.all_deployments:
        sheet, target = deployment.sheet, deployment.target
        sheets.append(sheet)
        models.append(deployment.media_limits or media_limits_for(target.provider, target.upstream_model))
        costs = costs or (has_budget and not sheet.free)
    return _Terms(
        tuple(sheets), tuple(models), route.max_output_tokens, route.context_window, per_minute, costs
    )


async def reserve(admission: Admits, ask: ReservationRequest) -> Reservation:
    """Return the grant. Raises RateRefused, BudgetRefused, AdmissionUnavailable, FeatureUnpriced, Unbounded and
    AgainstCap; then nothing was changed.
    """
    terms, demand = _terms(ask), ask.demand
    if terms.needs_cap:
        if demand.against_cap and terms.counts_tokens:
            check_cap(demand)
        if terms.keeps_money:
            check_bounded(demand, terms.sheets, terms.context_window)
    prompt = prompt_estimate(demand)
    counted = None
    if terms.tokens_per_minute is not None and prompt.tokens > terms.tokens_per_minute:
        counted = await _recounted(ask, prompt)
        prompt = counted or prompt
    bound = terms.bound(demand)
    tokens = _rate_tokens(demand, terms, prompt, bound)
    try:
        grant = await admission.admit(AdmissionRequest(ask.request_id, ask.rules, tokens, bound.nanousd))
    except RateRefused as refusal:
        refusal.is_counted = counted is not None
        raise
    except BudgetRefused as refusal:
        try:
            return await _with_counted_prompt(admission, ask, terms, tokens, refusal)
        except BudgetRefused as last:
            cap, window = bound.output_cap, terms.context_window
            last.enlarged_by = causes(demand, cap, window, is_measured=last.is_counted)
            raise
    return _held(demand, terms, grant, bound, prompt)


async def _recounted(ask: ReservationRequest, prompt: Estimate) -> Estimate | None:
    """Count the text of a prompt whose estimate exceeds its limit of a minute: code and schemas are mostly white space,
    and an estimate alone must not make a call impossible for ever. None: unknown.
    """
    if ask.counter is None or ask.demand.needs_window:
        return None
    models = tuple([deployment.target.upstream_model for deployment in ask.route.all_deployments])
    text = await ask.counter.count(ask.tenant_id, ask.raw, models)
    if text is None:
        return None
    media = prompt.tokens - ask.demand.body_bytes // BYTES_PER_TOKEN
    return Estimate(min(prompt.tokens, text.tokens + max(0, media)))


async def _with_counted_prompt(
    admission: Admits, ask: ReservationRequest, terms: _Terms, tokens: int, refusal: BudgetRefused
) -> Reservation:
    prompt = await counted_prompt(ask, terms.models)
    if (
        prompt is None
        and ask.counter is not None
        and ask.demand.can_be_measured
        and max_tokens_of_page(terms.models) is not None
    ):
        found = await ask.counter.documents(ask.tenant_id, ask.raw)
        if found is not None:
            return await _with_measured_documents(admission, ask, terms, tokens, found)
    if prompt is None:
        return await _with_capped_output(admission, ask, terms, tokens, None, refusal)
    bound = terms.bound(ask.demand, prompt)
    try:
        grant = await admission.admit(AdmissionRequest(ask.request_id, ask.rules, tokens, bound.nanousd))
    except BudgetRefused as again:
        again.is_counted = True
        return await _with_capped_output(admission, ask, terms, tokens, prompt, again)
    held = _held(ask.demand, terms, grant, bound, prompt.estimate)
    return msgspec.structs.replace(held, is_counted=True, is_providers_count=prompt.whole is not None)


async def _with_measured_documents(
    admission: Admits, ask: ReservationRequest, terms: _Terms, tokens: int, found: tuple[Document, ...]
) -> Reservation:
    demand = msgspec.structs.replace(ask.demand, measured=found)
    ask, bound = msgspec.structs.replace(ask, demand=demand), terms.bound(demand)
    try:
        grant = await admission.admit(AdmissionRequest(ask.request_id, ask.rules, tokens, bound.nanousd))
    except BudgetRefused as again:
        again.is_counted = True
        return await _with_capped_output(admission, ask, terms, tokens, None, again)
    held = _held(demand, terms, grant, bound, prompt_estimate(demand))
    return msgspec.structs.replace(held, is_counted=True)


async def _with_capped_output(
    admission: Admits,
    ask: ReservationRequest,
    terms: _Terms,
    tokens: int,
    prompt: PromptCount | None,
    refusal: BudgetRefused,
) -> Reservation:
    """Admit with as much output as the free money can buy, where every budget of the scope allows clamping."""
    demand, budget = ask.demand, refusal.budget
    if demand.kind != "chat" or not _may_cap_output(ask.rules, refusal):
        raise refusal
    output = affordable_output(
        budget.room_nanousd, demand, prompt, terms.sheets, terms.context_window, terms.models
    )
    output = min(output, output_cap(demand, terms.max_output_tokens, terms.context_window))
    if output < 1:
        raise refusal
    bound = terms.bound(msgspec.structs.replace(demand, output_cap=output), prompt)
    grant = await admission.admit(AdmissionRequest(ask.request_id, ask.rules, tokens, bound.nanousd))
    believed = prompt.estimate if prompt is not None else prompt_estimate(demand)
    held = _held(demand, terms, grant, bound, believed)
    return msgspec.structs.replace(
        held,
        is_clamped=True,
        is_cap_ours=True,
        is_counted=prompt is not None,
        is_providers_count=prompt is not None and prompt.whole is not None,
    )


def _held(demand: Demand, terms: _Terms, grant: Grant, bound: WorstCase, prompt: Estimate) -> Reservation:
    most = bound.nanousd if terms.keeps_money else None
    if demand.kind != "chat":
        return Reservation(grant, bound.nanousd, prompt, None, None, most)
    stated, needs_cap = demand.output_cap, terms.needs_cap
    cap = bound.output_cap if needs_cap else stated or None
    sent = 0 if stated == 0 else bound.output_cap
    return Reservation(
        grant,
        bound.nanousd,
        prompt,
        sent if needs_cap else None,
        None if cap is None else (cap + demand.predicted_bytes) * demand.n,
        most,
        needs_cap and (stated is None or stated > bound.output_cap),
        is_lowered=needs_cap and stated is not None and stated > bound.output_cap,
    )


def prompt_estimate(demand: Demand) -> Estimate:
    """Return a cheap estimate of the prompt's tokens; media inside the body are not text."""
    tokens = demand.body_bytes // BYTES_PER_TOKEN
    if demand.measured:
        text = sum([document.text_bytes for document in demand.measured]) - demand.document_bytes
        pages = sum([document.pages for document in demand.measured])
        tokens = (demand.body_bytes + text) // BYTES_PER_TOKEN + pages * PAGE_TOKENS
    if demand.pictures:
        tokens += sum([most_tokens(picture, ("gpt-4o",)) for picture in demand.pictures])
    if demand.audio_ms:
        tokens += demand.audio_ms * INPUT_AUDIO_SECOND_TOKENS // 1000
    return Estimate(tokens or 1)


def _rate_tokens(demand: Demand, terms: _Terms, prompt: Estimate, bound: WorstCase) -> int:
    """Return the tokens that TPM reserves: the prompt and the maximal output. The used number is charged at the end.

    Only the prompt may make a call impossible, counted where it can be. A call that alone could use up the limit
    reserves half of it, so that it is granted beside others.
    """
    if demand.kind != "chat":
        return prompt.tokens
    whole = prompt.tokens + bound.output_cap * demand.n
    least = terms.tokens_per_minute
    return whole if least is None or whole <= least else max(prompt.tokens, least // 2)


def _may_cap_output(rules: tuple[ScopeRules, ...], refusal: BudgetRefused) -> bool:
    """Every budget of the refusing scope must allow clamping."""
    return refusal.budget is not None and any(
        rule.scope == refusal.budget.scope and rule.budgets and all(budget.clamp for budget in rule.budgets)
        for rule in rules
    )
