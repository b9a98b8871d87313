"""A call that requests a grant, and who counts its prompt if the cheap bound does not fit: the gateway, providers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias

import msgspec

from budgets.admission.demand import Demand
from budgets.admission.interface import ScopeRules
from catalog.routing.resolve import Route
from providers.media.image_tokens import MediaLimits
from providers.media.pdf.measure import Document
from providers.target import Target
from providers.tokens.amounts import Bound, PromptCount
from providers.tokens.exact_count import encoding_of

# Asks providers for the tokens of the call's whole prompt: the largest of these targets; None: one does not say.
ProviderCount: TypeAlias = Callable[[Sequence[Target]], Awaitable[Bound | None]]


class Counter(Protocol):
    """Counts a prompt exactly (gateway/inference/token_counter.py)."""

    async def count(self, tenant_id: int, raw: bytes, models: tuple[str, ...]) -> Bound | None:
        """Return the tokens of all text that becomes prompt; None: unknown, so the cheap bound stands."""
        ...

    async def documents(self, tenant_id: int, raw: bytes) -> tuple[Document, ...] | None:
        """Return the maximal size of the PDFs in a body; None: unknown, so the context window bounds them."""
        ...


class ReservationRequest(msgspec.Struct, frozen=True):
    """One call that requests a grant."""

    request_id: str
    rules: tuple[ScopeRules, ...]
    route: Route
    demand: Demand
    raw: bytes
    tenant_id: int = 0
    counter: Counter | None = None
    provider_count: ProviderCount | None = None


async def counted_prompt(ask: ReservationRequest, models: Sequence[MediaLimits]) -> PromptCount | None:
    """Count for every deployment that the call may reach: here, where its vocabulary is known, else by its provider.

    None: one of them cannot be counted. `models`: of each deployment.
    """
    here: list[str] = []
    there: list[Target] = []
    is_here = ask.counter is not None and not ask.demand.needs_window
    for deployment, model in zip(ask.route.all_deployments, models, strict=True):
        if is_here and encoding_of((model.model,)) is not None:
            here.append(model.model)
        else:
            there.append(deployment.target)
    if there and (ask.provider_count is None or not ask.demand.can_be_counted_whole):
        return None
    text = whole = None
    if ask.counter is not None and here:
        text = await ask.counter.count(ask.tenant_id, ask.raw, tuple(here))
    if ask.provider_count is not None and there and (text is not None or not here):
        whole = await ask.provider_count(there)
    is_missing = (here and text is None) or (there and whole is None)
    return None if is_missing else PromptCount(text, whole)
