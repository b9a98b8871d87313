"""Candidate selection beyond the simple case: several deployments, broken ones, requirements, hints, fallbacks.

Pure: one object a call. Cost: about 15 us for a few deployments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby

from catalog.routing.capabilities import NOTHING, MissingCapability, missing_capability
from catalog.routing.client_hints import Hints
from catalog.routing.experiments import put_first
from catalog.routing.route import (
    ModelCannot,
    NoDeployment,
    Pin,
    Route,
    RouteRequest,
    Skipped,
    StateOwnerUnavailable,
)
from catalog.routing.strategies import StrategyContext, arrange, draw
from catalog.snapshot import Deployment, Model, Snapshot
from providers.resilience.circuit_breaker import CircuitBreaker
from providers.resilience.health import DeploymentHealth
from tenants.caller import Caller

RETAINED_SHARE = 0.1  # of the calls, to a broken deployment that is kept as half of its tier is ejected


class CandidateSelection:
    """One selection of a route that is not the simple case."""

    def __init__(
        self,
        snapshot: Snapshot,
        caller: Caller,
        request: RouteRequest,
        health: DeploymentHealth,
        dice: Callable[[], float],
    ) -> None:
        self._snapshot, self._caller, self._request, self._health = snapshot, caller, request, health
        self._now, self._dice, self._tenant_id = health.clock(), dice, caller.tenant_id
        self._skipped: list[Skipped] = []
        self._unavailable: list[Deployment] = []
        self._full: list[Deployment] = []
        self._missing: list[MissingCapability] = []

    def route(self, model: Model) -> Route:
        hints = self._request.hints
        own = self._order(model, model.deployments, hints)
        arm = self._request.arm
        if arm:
            own = put_first(arm, own)
        missing, has_candidates = list(self._missing), bool(own or self._unavailable or self._full)
        pin = self._request.pin
        bound_by = pin if pin is not None and pin.is_required else None
        if bound_by is not None and not has_candidates and not missing:
            raise StateOwnerUnavailable(model.alias, bound_by, tuple(self._skipped))
        others: dict[str, Model] = {}
        fallbacks: dict[str, tuple[Deployment, ...]] = {}
        if model.fallbacks and bound_by is None and not (hints is not None and hints.only):
            fallbacks = {reason: self._fallbacks(model, reason, others) for reason in model.fallbacks}
        after, reason = fallbacks.get("unavailable", ()), "unavailable"
        if not has_candidates and missing and all(missing.is_window for missing in missing):
            after, reason = fallbacks.get("context_window", ()), "context_window"
        if not has_candidates and missing and not after:
            raise ModelCannot(model.alias, missing[0], tuple(self._skipped))
        deployments = (*own, *after)
        build = partial(
            Route,
            model,
            fallbacks_by_reason=fallbacks,
            fallback_models=tuple(others.values()),
            skipped=tuple(self._skipped),
            reason=reason,
            arm=arm,
            pinned=pin.because if pin is not None and _is_first(pin, deployments) else "",
        )
        return build(deployments=deployments) if deployments else self._in_panic(model, build)

    def _in_panic(self, model: Model, build: Callable[..., Route]) -> Route:
        """Return a route to those that rest after failures. Raises NoDeployment, Unavailable."""
        targets = [deployment.target for deployment in (*self._full, *self._unavailable)]
        if not targets:
            raise NoDeployment(model.alias, tuple(self._skipped))
        if self._full or not self._health.by_recovery_time(targets, self._tenant_id):
            refusal = self._health.unavailable(targets, self._tenant_id)
            refusal.passed_over = tuple(self._skipped)
            raise refusal
        return build(deployments=tuple(self._unavailable), is_panic=True)

    def _fallbacks(self, model: Model, reason: str, others: dict[str, Model]) -> tuple[Deployment, ...]:
        """Return the deployments of the fallback aliases: only those that this caller may use itself."""
        found: list[Deployment] = []
        for alias in model.fallbacks[reason]:
            other = self._snapshot.models.get(alias)
            if other is None or alias == model.alias or other.model_type != model.model_type:
                continue
            if not self._caller.may_use(alias):
                self._skipped.append(Skipped(alias, "", "this key may not use it"))
                continue
            ordered = self._order(other, other.deployments, None)
            if ordered:
                others[alias] = other
                found += ordered
        return tuple(found)

    def _order(
        self, model: Model, deployments: tuple[Deployment, ...], hints: Hints | None
    ) -> list[Deployment]:
        able = [d for d in deployments if self._is_capable(model, d, hints)]
        strategy = model.strategy
        sticky_key = self._request.sticky_key
        if hints is not None and hints.strategy:
            strategy, sticky_key = hints.strategy, ""
        context = StrategyContext(
            health=self._health,
            now=self._now,
            dice=self._dice,
            expected=self._request.expected,
            sticky_key=sticky_key,
        )
        ordered: list[Deployment] = []
        late: list[Deployment] = []
        for _, tier in groupby(sorted(able, key=_priority), key=_priority):
            ready = self._available(list(tier), late)
            if ready:
                ordered += arrange(strategy, ready, context)
        pin = self._request.pin
        if pin is not None:
            ordered.sort(key=lambda deployment: pin.rank(deployment.target))
        return ordered + late

    def _is_capable(self, model: Model, deployment: Deployment, hints: Hints | None) -> bool:
        name = deployment.target.name
        if hints is not None and not hints.allows(name):
            self._skipped.append(Skipped(model.alias, name, "not wanted by X-Gateway-Route"))
            return False
        pin = self._request.pin
        if pin is not None and pin.is_required and not deployment.target.accepts_state_of(pin.owner):
            self._skipped.append(
                Skipped(model.alias, name, f"another account made what '{pin.because}' names")
            )
            return False
        if self._request.requirements is NOTHING:
            return True
        missing = missing_capability(deployment, model, self._request.requirements)
        if missing is None:
            return True
        self._missing.append(missing)
        self._skipped.append(Skipped(model.alias, name, missing.text))
        return False

    def _available(self, tier: list[Deployment], late: list[Deployment]) -> list[Deployment]:
        """Return those of a tier that may be chosen; recovering ones are often only put last."""
        ready: list[Deployment] = []
        broken: list[tuple[CircuitBreaker, Deployment]] = []
        kept = 0
        for deployment in tier:
            entry = self._health.get(deployment.target.id)
            breaker = entry.breaker_for(self._tenant_id, self._now) if entry is not None else None
            if breaker is not None and breaker.is_cooling_down(self._now):
                self._set_unavailable(deployment, "its provider asked not to be called yet")
            elif breaker is not None and breaker.is_ejected(self._now):
                broken.append((breaker, deployment))
            elif self._health.is_full(deployment.target.id, self._tenant_id):
                kept += 1
                self._full.append(deployment)
                self._skip(deployment, "full: as many calls as may be are in flight there")
            elif breaker is None or breaker.is_unrestricted:
                ready.append(deployment)
            else:
                kept += 1
                (ready if self._draw(deployment) < breaker.share(self._now) else late).append(deployment)
        if broken:
            retained = self._without_ejected(broken, len(tier), is_whole_tier=not ready and not kept)
            for deployment in retained:
                (ready if self._draw(deployment) < RETAINED_SHARE else late).append(deployment)
        return ready

    def _draw(self, deployment: Deployment) -> float:
        """Draw whether a call goes to a recovering one. A sticky value draws the same each time: it moves once."""
        key = self._request.sticky_key
        return draw(key, deployment) if key else self._dice()

    def _without_ejected(
        self, broken: list[tuple[CircuitBreaker, Deployment]], size: int, *, is_whole_tier: bool
    ) -> list[Deployment]:
        """Eject the worst, at most half of a tier, and return the others; if all are broken, all are ejected."""
        ejected = len(broken) if is_whole_tier else size // 2
        worst_first = sorted(broken, key=lambda pair: pair[0].open_until, reverse=True)
        for breaker, deployment in worst_first[:ejected]:
            self._set_unavailable(
                deployment, f"it failed: {breaker.reason}" if breaker.reason else "it is being tried"
            )
        return [deployment for _, deployment in worst_first[ejected:]]

    def _set_unavailable(self, deployment: Deployment, why: str) -> None:
        self._unavailable.append(deployment)
        self._skip(deployment, why)

    def _skip(self, deployment: Deployment, why: str) -> None:
        self._skipped.append(Skipped(deployment.target.alias, deployment.target.name, why))


def _is_first(pin: Pin, deployments: Sequence[Deployment]) -> bool:
    return bool(deployments) and pin.prefers(deployments[0].target)


def _priority(deployment: Deployment) -> int:
    return deployment.priority
