"""The whole catalog as one immutable value, swapped when it changes. No I/O, no ORM: catalog/loaders.py builds it."""

from __future__ import annotations

import msgspec

from catalog.pricing.prices import PriceSheet
from providers.media.image_tokens import MediaLimits
from providers.target import Target

SERVED_TYPES = frozenset({"llm", "embedding"})  # for the others there is no endpoint yet


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """The stated capabilities of a deployment; None and True: no limitation is known."""

    modalities: frozenset[str] | None = None
    tools: bool = True
    json_schema: bool = True
    context_window: int | None = None
    unknown_members: bool = True  # request members that the gateway does not know may pass
    refused_members: frozenset[str] = (
        frozenset()
    )  # of those, not under a budget: they once cost more than was held


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """A provider endpoint that serves an alias, with what routing and pricing need beside the target itself."""

    target: Target
    priority: int = 0
    weight: int = 100
    shadow_percent: int = 0
    sheet: PriceSheet
    capabilities: Capabilities = Capabilities()
    media_limits: MediaLimits | None = None  # None: derived from its provider and its model's name


class CatalogProblem(msgspec.Struct, frozen=True):
    """A row that disabled itself, and why; `deployment` empty: a part of the alias, such as a fallback."""

    alias: str
    deployment: str
    reason: str


class Experiment(msgspec.Struct, frozen=True):
    """How an alias splits its callers over its deployments (catalog/routing/experiments.py)."""

    by: str  # tenant | user
    arms: tuple[tuple[str, int], ...]  # deployment and share


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A public alias. `deployments` holds only those that can serve; token limits None mean unknown."""

    alias: str
    model_type: str = "llm"
    strategy: str = "weighted"
    context_window: int | None = None
    max_output_tokens: int | None = None
    owned_by: str = "open-model-gateway"
    created: int = 0
    deployments: tuple[Deployment, ...] = ()
    shadows: tuple[Deployment, ...] = ()  # never answer; get a copy of a part of the calls
    sticky: str = (
        ""  # user | prompt_cache_key: the request's member whose value always gets the same deployment
    )
    fallbacks: dict[
        str, tuple[str, ...]
    ] = {}  # unavailable | context_window | content_filter -> other aliases
    experiment: Experiment | None = None
    is_unpriced: bool = False  # there are deployments, but none with a price and none declared free
    missing_price: str = (
        ""  # price_input or price_output, where each deployment without a price lacks only that side
    )
    disabled: tuple[str, ...] = ()  # deployments that are switched off


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Every enabled alias at one version of the configuration."""

    version: int = 0
    models: dict[str, Model] = {}
    problems: tuple[CatalogProblem, ...] = ()
    disabled: frozenset[str] = frozenset()  # aliases that are switched off
    serving: dict[str, Model] = {}  # the models that can answer, by a deployment or a fallback

    def __post_init__(self) -> None:
        """Find the models that can answer once a version: /v1/models reads them. Rests after failures do not count."""
        own = {alias for alias, model in self.models.items() if model.deployments}
        found = {
            alias: model
            for alias, model in self.models.items()
            if model.model_type in SERVED_TYPES
            and not model.is_unpriced
            and (alias in own or not own.isdisjoint(model.fallbacks.get("unavailable", ())))
        }
        msgspec.structs.force_setattr(self, "serving", found)

    @property
    def targets(self) -> list[Target]:
        """Every target a client's call can be sent to."""
        return [deployment.target for model in self.models.values() for deployment in model.deployments]

    def tiers(self) -> list[list[int]]:
        """Return the deployments that replace each other: those of one alias and priority, by id."""
        tiers: dict[tuple[str, int], list[int]] = {}
        for model in self.models.values():
            for deployment in model.deployments:
                tiers.setdefault((model.alias, deployment.priority), []).append(deployment.target.id)
        return [tier for tier in tiers.values() if len(tier) > 1]
