"""The result of routing: the deployments a call may go to, in order, and why not to others. Pure values."""

from __future__ import annotations

import msgspec

from catalog.pricing.prices import PriceSheet
from catalog.routing.capabilities import NOTHING, MissingCapability, Requirements
from catalog.routing.client_hints import Hints
from catalog.snapshot import Deployment, Model
from providers.target import Target


class Skipped(msgspec.Struct, frozen=True):
    """A deployment that was not considered, and why."""

    alias: str
    deployment: str
    why: str


class NoDeployment(Exception):
    """The alias exists, but none of its deployments can serve: waiting does not help. The why is for the operator."""

    def __init__(self, alias: str, passed_over: tuple[Skipped, ...] = ()) -> None:
        self.alias, self.passed_over = alias, passed_over
        super().__init__(
            f"The model '{alias}' cannot answer: none of its deployments can be called as it is set up. The "
            "operator of this gateway finds the reasons under this request's id."
        )


class ModelCannot(Exception):
    """No deployment meets the request's requirements; `param` is the member that causes it."""

    def __init__(self, alias: str, missing: MissingCapability, passed_over: tuple[Skipped, ...] = ()) -> None:
        self.alias, self.param, self.passed_over = alias, missing.param, passed_over
        self.is_window = missing.is_window
        self.code = "context_length_exceeded" if missing.is_window else missing.code or "model_cannot"
        super().__init__(f"The model '{alias}' cannot serve this request: it {missing.text}.")


class StateOwnerUnavailable(Exception):
    """No deployment of the model has what the request refers to: the account that made it is gone, or not this model's.

    Another account would answer that it does not exist.
    """

    def __init__(self, alias: str, pin: Pin, passed_over: tuple[Skipped, ...] = ()) -> None:
        self.alias, self.param, self.passed_over = alias, pin.because, passed_over
        left = (
            f"the model '{alias}' has no deployment with that account"
            if alias
            else "it is not configured here"
        )
        super().__init__(
            f"'{pin.because}' names something that only the provider's account that made it has, and {left}."
        )


class Pin(msgspec.Struct, frozen=True):
    """The deployment that made what a request refers to. `because`: the member that does so.

    `is_required`: no other account can answer; else it is preferred while it is healthy. `others` made some of it as
    well, best first.
    """

    owner: int
    because: str
    is_required: bool = False
    others: tuple[int, ...] = ()

    def rank(self, target: Target) -> int:
        """Return the place of a deployment in the order of preference; 0: the first."""
        owners = (self.owner, *self.others)
        return next(
            (place for place, owner in enumerate(owners) if target.accepts_state_of(owner)), len(owners)
        )

    def prefers(self, target: Target) -> bool:
        return self.rank(target) <= len(self.others)


class RouteRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What one call passes to routing, beside its alias."""

    requirements: Requirements = NOTHING
    hints: Hints | None = None
    sticky_key: str = ""
    pin: Pin | None = None
    arm: str = ""  # of the alias's experiment
    expected: tuple[int, int] = (0, 0)  # tokens in and out, for the strategy `cost`


class Route(msgspec.Struct, frozen=True):
    """An alias and the deployments to try, best first; those of other aliases (fallbacks) after its own.

    `fallbacks_by_reason` are other aliases' deployments for a refusal that they might not make; `reason` is why the
    alias itself has none in the list; `is_panic`: all of them are resting after failures.
    """

    model: Model
    deployments: tuple[Deployment, ...]
    fallbacks_by_reason: dict[str, tuple[Deployment, ...]] = {}
    fallback_models: tuple[Model, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    reason: str = "unavailable"
    is_panic: bool = False
    arm: str = ""  # of the experiment this call is part of
    pinned: str = ""  # the member that decided the first deployment

    @property
    def all_deployments(self) -> tuple[Deployment, ...]:
        """All deployments that may answer."""
        if not self.fallbacks_by_reason:
            return self.deployments
        more = (d for several in self.fallbacks_by_reason.values() for d in several)
        return tuple({d.target.id: d for d in (*self.deployments, *more)}.values())

    @property
    def sheets(self) -> tuple[PriceSheet, ...]:
        return tuple(deployment.sheet for deployment in self.all_deployments)

    @property
    def max_output_tokens(self) -> int | None:
        if not self.fallback_models:
            return self.model.max_output_tokens
        return self._largest(
            self.model.max_output_tokens, [m.max_output_tokens for m in self.fallback_models]
        )

    @property
    def context_window(self) -> int | None:
        if not self.fallback_models:
            return self.model.context_window
        return self._largest(self.model.context_window, [m.context_window for m in self.fallback_models])

    @staticmethod
    def _largest(own: int | None, others: list[int | None]) -> int | None:
        known = [limit for limit in (own, *others) if limit is not None]
        return max(known) if len(known) == 1 + len(others) else None


ANYTHING = RouteRequest()
