"""What a call must not request where a budget binds it, because its cost has no known upper bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.pricing.price_terms import costs_tokens
from providers.requests.money_classes import Unacceptable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from budgets.admission.demand import Demand
    from catalog.pricing.prices import PriceSheet


class FeatureUnpriced(Exception):
    """A feature has a price of its own, which the catalog does not have."""

    def __init__(self, param: str, feature: str) -> None:
        self.param = param
        super().__init__(
            f"'{feature}' has a price of its own, which the catalog does not have for this model."
        )


class Unbounded(Unacceptable):
    """A member or part whose cost has no bound here; `param` names it."""

    def __init__(self, param: str) -> None:
        super().__init__(
            f"'{param}' could cost as much as the model's whole context window, which is not known, so no budget could "
            "be kept. Leave it out, or let the operator state 'context_window' for this model.",
            param,
            "unbounded_parameter",
        )


class AgainstCap(Unacceptable):
    """A member that could make a provider exceed the one cap that the gateway sends."""

    def __init__(self, param: str) -> None:
        super().__init__(
            f"'{param}' could make the provider exceed the limit of its output, which a budget or rate limit needs. "
            "Use 'max_completion_tokens' or 'max_tokens'.",
            param,
        )


def check_cap(demand: Demand) -> None:
    """Raises AgainstCap."""
    if demand.against_cap:
        raise AgainstCap(demand.against_cap[0])


def check_bounded(demand: Demand, sheets: Sequence[PriceSheet], context_window: int | None) -> None:
    """Raises FeatureUnpriced and Unbounded."""
    terms = [sheet.terms for sheet in sheets if not sheet.free]
    if not terms:
        return
    if demand.tier and not all(demand.tier in {tier.name for tier in each.tiers} for each in terms):
        raise FeatureUnpriced("service_tier", f"service_tier {demand.tier}")
    if demand.place and not all(demand.place in {place.name for place in each.geography} for each in terms):
        raise FeatureUnpriced("inference_geo", f"inference_geo {demand.place}")
    for feature in demand.features:
        if not all(feature in {tool.name for tool in each.tool_calls} for each in terms):
            raise FeatureUnpriced(feature, feature)
    is_open = demand.output_cap == 0 or demand.needs_window
    if context_window is not None or not is_open or not any(map(costs_tokens, sheets)):
        return
    if demand.output_cap == 0:
        raise Unbounded("max_tokens")
    if demand.needs_window:
        raise Unbounded((*demand.unknown, *demand.references, *demand.documents, *demand.features)[0])
