"""WHERE it can go: alias -> Route. Pure: snapshot, caller, what is known of the deployments, and dice are arguments.

Cost: under 3 us for an alias with one deployment, about 15 us for a few.
"""

from __future__ import annotations

from collections.abc import Callable
from random import random

from catalog.route import ANYTHING, Asking, ModelCannot, NoDeployment, Route
from catalog.search import Search
from catalog.snapshot import Model, Snapshot
from providers.health import Health
from tenants.caller import Caller
from tenants.errors import ModelNotAllowed

__all__ = [
    "ANYTHING",
    "Asking",
    "ModelCannot",
    "ModelNotFound",
    "ModelUnpriced",
    "NoDeployment",
    "Route",
    "WrongModelType",
    "find",
    "resolve",
]


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


def find(snapshot: Snapshot, alias: str, caller: Caller, *, model_type: str) -> Model:
    """Return what the alias names. Raises ModelNotFound, ModelNotAllowed, WrongModelType, ModelUnpriced,
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
    if not model.deployments and not model.fallbacks:
        raise NoDeployment(alias)
    return model


def resolve(  # noqa: PLR0913 - each is a source of its own
    snapshot: Snapshot,
    alias: str,
    caller: Caller,
    *,
    model_type: str,
    asking: Asking = ANYTHING,
    health: Health | None = None,
    dice: Callable[[], float] = random,
) -> Route:
    """Return where a call for `alias` may go. Raises what find() raises, ModelCannot, and Unavailable when every
    provider asked not to be called yet.
    """
    model = find(snapshot, alias, caller, model_type=model_type)
    if len(model.deployments) == 1 and asking is ANYTHING and not model.fallbacks:
        only = model.deployments[0].target.id
        entry = health.get(only) if health is not None else None
        if (entry is None or entry.breaker.is_calm) and not (health is not None and health.is_full(only)):
            return Route(model, model.deployments)
    return Search(snapshot, caller, asking, health or Health(), dice).route(model)
