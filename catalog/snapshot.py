"""The whole catalog as one immutable value, swapped when it changes. No I/O, no ORM: catalog/loaders.py builds it."""

from __future__ import annotations

import msgspec

from catalog.prices import PriceSheet
from providers.target import Target


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """A place that serves an alias, with what routing and pricing need beside the target itself."""

    target: Target
    priority: int = 0
    weight: int = 100
    sheet: PriceSheet


class Problem(msgspec.Struct, frozen=True):
    """A row that disabled itself, and why."""

    alias: str
    deployment: str
    reason: str


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
    is_unpriced: bool = False  # there are deployments, but none with a price and none declared free


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Every enabled alias at one version of the configuration."""

    version: int = 0
    models: dict[str, Model] = {}
    problems: tuple[Problem, ...] = ()
