"""The health of each deployment as this process sees it: breaker, calls in flight, time to first content.

In memory, per process, by the deployment's row id. Cost: about 2 us a call.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from providers.errors.exceptions import Unavailable
from providers.request_additions import Additions
from providers.resilience.attempt import DeploymentAttempt
from providers.resilience.attempt_log import Attempt, AttemptRecorder, LogLimiter
from providers.resilience.bulkhead import Bulkhead, Bulkheads
from providers.resilience.circuit_breaker import CircuitBreaker, Phase, Policy
from providers.resilience.deployment_state import DeploymentSnapshot, DeploymentState, address_of, snapshot_of
from providers.resilience.health_hint import HealthHint
from providers.resilience.outlier_detection import worst
from providers.resilience.retry_budget import RetryBudget
from providers.target import Target

logger = logging.getLogger(__name__)

PUBLISH_STEP_S = 1.0  # a cooldown that grows by less is not sent to other processes again


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """Callbacks: a deployment's new value (CircuitBreaker.value), a refused retry or a refused call, a hint for other
    processes, and each attempt with its class.
    """

    on_change: Callable[[Target, float], None] = lambda _target, _value: None
    on_retry_refused: Callable[[str], None] = lambda _provider: None
    on_full: Callable[[], None] = lambda: None
    on_hint: Callable[[HealthHint], None] = lambda _hint: None
    on_attempt: Callable[[Target, str], None] = lambda _target, _outcome: None
    quotes: bool = True  # log and keep providers' messages, which may quote the request


class DeploymentHealth:
    """The health of every deployment that was called."""

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        bulkheads: Bulkheads | None = None,
        watch: Watch | None = None,
        clock: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self.policy, self.clock, self.dice = policy or Policy(), clock, dice
        self.watch = watch or Watch()
        self._bulkheads = bulkheads or Bulkheads()
        self._entries: dict[int, DeploymentState] = {}
        self._targets: dict[int, Target] = {}
        self._tiers: Sequence[Sequence[int]] = ()
        self.additions = Additions(clock)
        self._log_limiter = LogLimiter(clock)

    def get(self, target_id: int) -> DeploymentState | None:
        """Return the state of a deployment; None: not called yet, so no failure is known."""
        return self._entries.get(target_id)

    def budget(self, target: Target) -> RetryBudget:
        """Return the retry budget of a target's endpoint with its credential."""
        return self._bulkheads.for_target(target).budget

    def recorder(self, attempts: list[Attempt], request_id: str) -> AttemptRecorder:
        """Return the recorder of a call's attempts."""
        return AttemptRecorder(
            attempts, request_id, self._log_limiter, self.watch.on_attempt, quotes=self.watch.quotes
        )

    def start(self, target: Target, tenant_id: int = 0) -> DeploymentAttempt | None:
        """Begin an attempt of this tenant's call; None: this deployment may not be called now."""
        entry = self._entries.get(target.id)
        if entry is None:
            entry = self._create_entry(target)
        now = self.clock()
        bulkhead = self._bulkheads.for_target(target)
        if not bulkhead.has_room(tenant_id):
            return None
        if entry.breaker.is_unrestricted and not entry.tenant_breakers:
            return DeploymentAttempt(self, entry, bulkhead, now, tenant_id)
        return self._start_restricted(entry, bulkhead, now, tenant_id)

    def _start_restricted(
        self, entry: DeploymentState, bulkhead: Bulkhead, now: float, tenant_id: int
    ) -> DeploymentAttempt | None:
        if entry.is_crowded(now, bulkhead.limit, tenant_id, bulkhead.of(tenant_id)):
            return None
        own = entry.tenant_breakers.get(tenant_id)
        is_own_probe = own.begin(now) if own is not None else False
        if is_own_probe is None:
            return None
        is_probe = entry.breaker.begin(now)
        if is_probe is None:
            if own is not None:
                own.release_probe(is_probe=is_own_probe)
            return None
        attempt = DeploymentAttempt(self, entry, bulkhead, now, tenant_id)
        attempt.is_probe, attempt.is_own_probe = is_probe, is_own_probe
        if is_probe:
            self.notify(entry, now)
        return attempt

    def is_full(self, target_id: int, tenant_id: int = 0) -> bool:
        """Whether the limit of calls in flight there is reached, in total or for this tenant."""
        bulkhead = self._bulkheads.get(target_id)
        if bulkhead is None:
            return False
        if not bulkhead.has_room(tenant_id):
            return True
        entry = self._entries.get(target_id)
        if entry is None or (entry.breaker.is_unrestricted and not entry.tenant_breakers):
            return False
        return entry.is_crowded(self.clock(), bulkhead.limit, tenant_id, bulkhead.of(tenant_id))

    def apply_hint(self, hint: HealthHint) -> None:
        """Apply a hint from another process."""
        target = self._targets.get(hint.deployment)
        if target is None:
            return
        entry, now = self._entries.get(target.id) or self._create_entry(target), self.clock()
        breaker = entry.tenant_breaker(hint.tenant_id) if hint.tenant_id else entry.breaker
        if hint.what == "open":
            breaker.on_hint_open(now, hint.seconds, f"{hint.reason} (seen by another process)")
        elif hint.what == "cool":
            breaker.on_hint_cooldown(now, hint.seconds)
            entry.record_limited(hint.tenant_id, breaker.cool_until)
            entry.published_cool_until = entry.breaker.cool_until
        else:
            breaker.on_hint_closed(now)
        self.notify(entry, now)

    def refresh(self) -> None:
        """Report the values of recovering deployments, also if no call arrives."""
        now = self.clock()
        for entry in self._entries.values():
            if not entry.breaker.is_unrestricted or entry.tenant_breakers:
                self.notify(entry, now)

    def eject_outliers(self) -> None:
        """Eject deployments that are far worse than their peers: one at a time, never more than half of a tier."""
        now = self.clock()
        for tier in self._tiers:
            known = {each: entry for each in tier if (entry := self._entries.get(each)) is not None}
            serving = {each: entry for each, entry in known.items() if entry.breaker.phase is Phase.CLOSED}
            if len(known) - len(serving) + 1 > len(tier) // 2:
                continue
            found = worst([entry.record(now) for entry in serving.values()])
            if found is not None:
                self._eject(serving, serving[found[0]], found[1], now)

    def _eject(
        self, tier: Mapping[int, DeploymentState], entry: DeploymentState, why: str, now: float
    ) -> None:
        """Eject it; for one tenant only, if it would be no outlier without that tenant's calls."""
        for tenant_id in entry.suspect_tenants(now):
            rest = worst([each.record(now, tenant_id if each is entry else 0) for each in tier.values()])
            if rest is None or rest[0] != entry.target.id:
                entry.tenant_breaker(tenant_id).trip(now, why)
                self.publish_tenant_ejection(entry, tenant_id, now)
                self.notify(entry, now)
                return
        entry.clear_latencies()
        entry.breaker.trip(now, why)
        self.notify(entry, now)

    def publish_tenant_ejection(self, entry: DeploymentState, tenant_id: int, now: float) -> None:
        """Log, and send to other processes, that a deployment is ejected for one tenant only."""
        own = entry.tenant_breaker(tenant_id)
        wait = own.retry_at(now) - now
        logger.warning(
            "circuit_breaker.opened_for_tenant",
            extra={
                "deployment": entry.target.name,
                "tenant_id": tenant_id,
                "seconds": round(wait, 1),
                "reason": own.reason,
            },
        )
        self.watch.on_hint(HealthHint(entry.target.id, "open", wait, own.reason, tenant_id))

    def notify(self, entry: DeploymentState, now: float) -> None:
        """Report a changed value."""
        value = 1.0 if entry.breaker.is_unrestricted and not entry.tenant_breakers else entry.value_at(now)
        if value != entry.value:
            entry.value = value
            if value == 0.0 and entry.breaker.phase is Phase.OPEN:
                logger.warning(
                    "circuit_breaker.opened",
                    extra={
                        "deployment": entry.target.name,
                        "seconds": round(entry.breaker.retry_at(now) - now, 1),
                        "reason": entry.breaker.reason,
                    },
                )
            self.watch.on_change(entry.target, value)

    def by_recovery_time(self, targets: Iterable[Target], tenant_id: int = 0) -> list[Target]:
        """Return the targets without a provider's cooldown, the most promising first; used when all are ejected."""
        now = self.clock()
        known = [(self._breaker(target, tenant_id, now), target) for target in targets]
        open_ones = [
            (breaker, target)
            for breaker, target in known
            if breaker is None or not breaker.is_cooling_down(now)
        ]
        return [
            target
            for _, target in sorted(
                open_ones, key=lambda pair: (pair[0].openings, pair[0].open_until) if pair[0] else (0, 0.0)
            )
        ]

    def _breaker(self, target: Target, tenant_id: int, now: float) -> CircuitBreaker | None:
        entry = self._entries.get(target.id)
        return entry.breaker_for(tenant_id, now) if entry is not None else None

    def unavailable(self, targets: Sequence[Target], tenant_id: int = 0) -> Unavailable:
        """Return the failure that none of these can be called, with the wait for the first."""
        if any(self.is_full(target.id, tenant_id) for target in targets):
            self.watch.on_full()
            return Unavailable(1.0 + 2.0 * self.dice(), is_limited=False, reason="every deployment is full")
        now = self.clock()
        breakers = [
            breaker for target in targets if (breaker := self._breaker(target, tenant_id, now)) is not None
        ]
        wait = min((breaker.retry_at(now) - now for breaker in breakers), default=1.0)
        is_limited = bool(breakers) and all(
            breaker.is_cooling_down(now) and not breaker.is_ejected(now) for breaker in breakers
        )
        return Unavailable(max(wait, 1.0), is_limited=is_limited)

    def update_targets(self, targets: Iterable[Target], tiers: Sequence[Sequence[int]] = ()) -> None:
        """Apply a changed catalog: drop deployments that are gone, and reset the state of changed ones.

        `tiers` are groups of deployments that replace each other, by id.
        """
        self._targets, self._tiers = {target.id: target for target in targets}, tiers
        self._bulkheads.update_targets(self._targets.values())
        self.additions.keep_only(self._targets)
        for target_id, entry in list(self._entries.items()):
            target = self._targets.get(target_id)
            if target is None:
                del self._entries[target_id]
            else:
                is_calm = entry.breaker.is_unrestricted and not entry.tenant_breakers
                if not is_calm and address_of(target) != address_of(entry.target):
                    entry.reset()
                entry.target = target

    def snapshots(self) -> list[DeploymentSnapshot]:
        """Return the current snapshot of every deployment that was called."""
        now = self.clock()
        return [snapshot_of(entry, now) for entry in self._entries.values()]

    def _create_entry(self, target: Target) -> DeploymentState:
        entry = self._entries[target.id] = DeploymentState(
            target, lambda: CircuitBreaker(self.policy, self.dice)
        )
        return entry

    def publish_hint(self, entry: DeploymentState, before: Phase, now: float) -> None:
        """Send a new opening or cooldown of this process to other processes."""
        breaker, each = entry.breaker, entry.target.id
        if breaker.phase is Phase.OPEN and before is not Phase.OPEN:
            self.watch.on_hint(HealthHint(each, "open", breaker.open_until - now, breaker.reason))
        if breaker.cool_until > max(now, entry.published_cool_until + PUBLISH_STEP_S):
            entry.published_cool_until = breaker.cool_until
            self.watch.on_hint(HealthHint(each, "cool", breaker.cool_until - now))
