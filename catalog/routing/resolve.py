"""Resolves an alias to a Route. Pure: snapshot, caller, health of the deployments, and dice are arguments.

Cost: under 3 us for an alias with one deployment, about 15 us for a few.
"""

from __future__ import annotations

from collections.abc import Callable
from random import random

from catalog.routing.candidate_selection import CandidateSelection
from catalog.routing.route import ANYTHING, ModelCannot, NoDeployment, Route, RouteRequest
from catalog.routing.similar_names import near
from catalog.snapshot import SERVED_TYPES, Model, Snapshot
from providers.resilience.health import DeploymentHealth
from tenants.caller import Caller
from tenants.errors import ModelNotAllowed

__all__ = [
    "ANYTHING",
    "ModelCannot",
    "ModelNotFound",
    "ModelUnpriced",
    "NoDeployment",
    "Route",
    "RouteRequest",
    "WrongModelType",
    "find",
    "resolve",
    "suggestion",
    "unservable",
]


LIST = "GET /v1/models lists the models that this key may use."
_TYPES = {  # the name of a model of a type, and its endpoint
    "llm": ("a chat model", "/v1/chat/completions"),
    "embedding": ("an embedding model", "/v1/embeddings"),
    "image": ("an image model", ""),
    "audio": ("an audio model", ""),
    "moderation": ("a moderation model", ""),
    "rerank": ("a rerank model", ""),
}


class ModelNotFound(Exception):
    """`suggestion`: the alias that the caller may use and probably meant; "" when none is similar."""

    def __init__(self, alias: str, suggestion: str = "") -> None:
        self.alias, self.suggestion = alias, suggestion
        super().__init__(f"The model '{alias}' does not exist.{_did_you_mean(suggestion)} {LIST}")


class WrongModelType(Exception):
    """The alias exists, but not for this endpoint."""

    def __init__(self, alias: str, model_type: str, endpoint: str) -> None:
        self.alias, self.model_type, self.endpoint = alias, model_type, endpoint
        what, path = _TYPES.get(model_type, (f"of type '{model_type}'", ""))
        advice = f"use {path}." if path else "this gateway does not serve such models yet."
        super().__init__(f"The model '{alias}' is {what}: {advice}")


class ModelUnpriced(Exception):
    """No deployment of the alias has a price, so no budget could be enforced. `missing`: the one side without one."""

    def __init__(self, alias: str, missing: str = "") -> None:
        self.alias = alias
        what = "has no price. Give it one in the catalog (price_input, price_output or pricing)"
        if missing:
            what = f"has a price on one side only: {missing} is missing. Give it in the catalog"
        super().__init__(f"The model '{alias}' {what}, or say 'free: true'.")


def find(snapshot: Snapshot, alias: str, caller: Caller, *, model_type: str) -> Model:
    """Return the model of the alias. Raises ModelNotFound, ModelNotAllowed, WrongModelType, ModelUnpriced,
    NoDeployment.
    """
    model = snapshot.models.get(alias)
    if model is None:
        raise ModelNotFound(alias, suggestion(snapshot, alias, caller, model_type))
    if not caller.may_use(alias):
        raise ModelNotAllowed(
            alias, f"{_did_you_mean(suggestion(snapshot, alias, caller, model_type))} {LIST}".strip()
        )
    if model.model_type != model_type:
        raise WrongModelType(alias, model.model_type, model_type)
    if model.is_unpriced:
        raise ModelUnpriced(alias, model.missing_price)
    if not model.deployments and not model.fallbacks:
        raise NoDeployment(alias)
    return model


def unservable(model: Model) -> Exception:
    """Return the error for a call to a model that is not among those that can answer (Snapshot.serving)."""
    if model.is_unpriced:
        return ModelUnpriced(model.alias, model.missing_price)
    if model.model_type not in SERVED_TYPES:
        return WrongModelType(model.alias, model.model_type, "")
    return NoDeployment(model.alias)


def suggestion(snapshot: Snapshot, alias: str, caller: Caller, model_type: str = "") -> str:
    """Return the alias that the caller may use and probably meant, those of the endpoint's type first; "": none."""
    usable = [model for model in snapshot.serving.values() if caller.may_use(model.alias)]
    fitting = [model.alias for model in usable if model_type in {"", model.model_type}]
    return near(alias, fitting) or near(alias, (model.alias for model in usable))


def _did_you_mean(suggested: str) -> str:
    return f" Did you mean '{suggested}'?" if suggested else ""


def resolve(  # noqa: PLR0913 - each is a source of its own
    snapshot: Snapshot,
    alias: str,
    caller: Caller,
    *,
    model_type: str,
    request: RouteRequest = ANYTHING,
    health: DeploymentHealth | None = None,
    dice: Callable[[], float] = random,
) -> Route:
    """Return the route of a call for `alias`. Raises what find() raises, ModelCannot, and Unavailable when every
    provider asked not to be called yet.
    """
    model = find(snapshot, alias, caller, model_type=model_type)
    if len(model.deployments) == 1 and request is ANYTHING and not model.fallbacks:
        only = model.deployments[0].target.id
        entry = health.get(only) if health is not None else None
        is_unrestricted = entry is None or (entry.breaker.is_unrestricted and not entry.tenant_breakers)
        if is_unrestricted and not (health is not None and health.is_full(only, caller.tenant_id)):
            return Route(model, model.deployments)
    return CandidateSelection(snapshot, caller, request, health or DeploymentHealth(), dice).route(model)
