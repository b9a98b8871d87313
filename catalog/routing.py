"""WHERE it can go: alias -> Route. Pure: the snapshot, the caller and the dice are arguments."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from random import random

import msgspec

from catalog.prices import PriceSheet
from catalog.snapshot import Deployment, Model, Snapshot
from tenants.caller import Caller
from tenants.errors import ModelNotAllowed


class ModelNotFound(Exception):
    def __init__(self, alias: str) -> None:
        self.alias = alias
        super().__init__(f"The model '{alias}' does not exist.")


class WrongModelType(Exception):
    """The alias exists, but not for this endpoint."""

    def __init__(self, alias: str, model_type: str, endpoint: str) -> None:
        self.alias, self.model_type, self.endpoint = alias, model_type, endpoint
        super().__init__(f"The model '{alias}' is of type '{model_type}' and cannot serve {endpoint}.")


class ModelUnpriced(Exception):
    """No deployment of the alias has a price, so a budget could not be kept."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        super().__init__(
            f"The model '{alias}' has no price. Give it one in the catalog (price_input, price_output or pricing), "
            "or say 'free: true'."
        )


class NoDeployment(Exception):
    """The alias exists, but none of its deployments can serve at the moment."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        super().__init__(f"No deployment of the model '{alias}' is available at the moment.")


class Route(msgspec.Struct, frozen=True):
    """An alias and the deployments to try, best first."""

    model: Model
    deployments: tuple[Deployment, ...]

    @property
    def sheets(self) -> tuple[PriceSheet, ...]:
        return tuple(deployment.sheet for deployment in self.deployments)


def resolve(
    snapshot: Snapshot, alias: str, caller: Caller, *, model_type: str, dice: Callable[[], float] = random
) -> Route:
    """Return where a call for `alias` may go. Raises ModelNotFound, ModelNotAllowed, WrongModelType, ModelUnpriced,
    NoDeployment.
    """
    model = snapshot.models.get(alias)
    if model is None:
        raise ModelNotFound(alias)
    if not caller.may_use(alias):
        raise ModelNotAllowed(alias)
    if model.model_type != model_type:
        raise WrongModelType(alias, model.model_type, model_type)
    if model.is_unpriced:
        raise ModelUnpriced(alias)
    if not model.deployments:
        raise NoDeployment(alias)
    return Route(model, order(model.deployments, dice))


def order(deployments: tuple[Deployment, ...], dice: Callable[[], float]) -> tuple[Deployment, ...]:
    """Return all deployments: lower priority numbers first, weighted draws without replacement inside a tier."""
    if len(deployments) == 1:
        return deployments
    ordered: list[Deployment] = []
    tiers = groupby(sorted(deployments, key=lambda d: d.priority), key=lambda d: d.priority)
    for _, tier in tiers:
        ordered.extend(_draw(list(tier), dice))
    return tuple(ordered)


def _draw(tier: list[Deployment], dice: Callable[[], float]) -> list[Deployment]:
    drawn = []
    while len(tier) > 1:
        point = dice() * sum(d.weight for d in tier)
        for index, deployment in enumerate(tier):  # noqa: B007 - the loop's last index is used
            point -= deployment.weight
            if point < 0:
                break
        drawn.append(tier.pop(index))
    return drawn + tier
