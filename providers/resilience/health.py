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
from providers.resilience.attempt_log import Attempt, Lines, Notes
from providers.resilience.bulkhead import Bulkhead, Bulkheads
from providers.resilience.circuit_breaker import CircuitBreaker, Phase, Policy
from providers.resilience.deployment_state import DeploymentSnapshot, DeploymentState, address_of, snapshot_of
from providers.resilience.health_hint import HealthHint
from providers.resilience.outlier_detection import worst
from providers.resilience.retry_budget import RetryBudget
from providers.target import Target

logger = logging.getLogger(__name__)

TELL_S = 1.0  # a cooldown that grows by less is not sent to other processes again


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """Callbacks: a deployment's new value (CircuitBreaker.value), a refused retry or a refused call, a hint for other
    processes, and each attempt with its class.
    """

    changed: Callable[[Target, float], None] = lambda _target, _value: None
    overflowed: Callable[[str], None] = lambda _provider: None
    full: Callable[[], None] = lambda: None
    learned: Callable[[HealthHint], None] = lambda _hint: None
    tried: Callable[[Target, str], None] = lambda _target, _outcome: None
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
        self._lines = Lines(clock)

    def get(self, target_id: int) -> DeploymentState | None:
        """Return the state of a deployment; None: not called yet, so no failure is known."""
        return self._entries.get(target_id)

    def budget(self, target: Target) -> RetryBudget:
        """Return the retry budget of a target's endpoint with its credential."""
        return self._bulkheads.of(target).budget

    def notes(self, attempts: list[Attempt], request_id: str) -> Notes:
        """Return the recorder of a call's attempts."""
        return Notes(attempts, request_id, self._lines, self.watch.tried, quotes=self.watch.quotes)

    def start(self, target: Target, who: int = 0) -> DeploymentAttempt | None:
        """Begin an attempt of this tenant's call; None: this deployment may not be called now."""
        entry = self._entries.get(target.id)
        if entry is None:
            entry = self._entry(target)
        now = self.clock()
        bulkhead = self._bulkheads.of(target)
        if not bulkhead.has_room(who):
            return None
        if entry.breaker.is_calm and not entry.own:
            return DeploymentAttempt(self, entry, bulkhead, now, who)
        return self._start_odd(entry, bulkhead, now, who)

    def _start_odd(
        self, entry: DeploymentState, bulkhead: Bulkhead, now: float, who: int
    ) -> DeploymentAttempt | None:
        if entry.is_crowded(now, bulkhead.limit, who, bulkhead.of(who)):
            return None
        own = entry.own.get(who)
        is_own_probe = own.begin(now) if own is not None else False
        if is_own_probe is None:
            return None
        is_probe = entry.breaker.begin(now)
        if is_probe is None:
            if own is not None:
                own.let_go(is_probe=is_own_probe)
            return None
        turn = DeploymentAttempt(self, entry, bulkhead, now, who)
        turn.is_probe, turn.is_own_probe = is_probe, is_own_probe
        if is_probe:
            self.notify(entry, now)
        return turn

    def is_full(self, target_id: int, who: int = 0) -> bool:
        """Whether the limit of calls in flight there is reached, in total or for this tenant."""
        bulkhead = self._bulkheads.get(target_id)
        if bulkhead is None:
            return False
        if not bulkhead.has_room(who):
            return True
        entry = self._entries.get(target_id)
        if entry is None or (entry.breaker.is_calm and not entry.own):
            return False
        return entry.is_crowded(self.clock(), bulkhead.limit, who, bulkhead.of(who))

    def apply_hint(self, hint: HealthHint) -> None:
        """Apply a hint from another process."""
        target = self._targets.get(hint.deployment)
        if target is None:
            return
        entry, now = self._entries.get(target.id) or self._entry(target), self.clock()
        breaker = entry.own_of(hint.tenant_id) if hint.tenant_id else entry.breaker
        if hint.what == "open":
            breaker.hear_open(now, hint.seconds, f"{hint.reason} (seen by another process)")
        elif hint.what == "cool":
            breaker.hear_cool(now, hint.seconds)
            entry.note_limited(hint.tenant_id, breaker.cool_until)
            entry.told_cool_until = entry.breaker.cool_until
        else:
            breaker.hear_closed(now)
        self.notify(entry, now)

    def refresh(self) -> None:
        """Report the values of recovering deployments, also if no call arrives."""
        now = self.clock()
        for entry in self._entries.values():
            if not entry.breaker.is_calm or entry.own:
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
        for who in entry.suspects(now):
            rest = worst([each.record(now, who if each is entry else 0) for each in tier.values()])
            if rest is None or rest[0] != entry.target.id:
                entry.own_of(who).trip(now, why)
                self.rests_for(entry, who, now)
                self.notify(entry, now)
                return
        entry.forget_latencies()
        entry.breaker.trip(now, why)
        self.notify(entry, now)

    def rests_for(self, entry: DeploymentState, who: int, now: float) -> None:
        """Log, and send to other processes, that a deployment is ejected for one tenant only."""
        own = entry.own_of(who)
        wait = own.retry_at(now) - now
        logger.warning(
            "circuit_breaker.opened_for_tenant",
            extra={
                "deployment": entry.target.name,
                "tenant_id": who,
                "seconds": round(wait, 1),
                "reason": own.reason,
            },
        )
        self.watch.learned(HealthHint(entry.target.id, "open", wait, own.reason, who))

    def notify(self, entry: DeploymentState, now: float) -> None:
        """Report a changed value."""
        value = 1.0 if entry.breaker.is_calm and not entry.own else entry.value_at(now)
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
            self.watch.changed(entry.target, value)

    def by_recovery_time(self, targets: Iterable[Target], who: int = 0) -> list[Target]:
        """Return the targets without a provider's cooldown, the most promising first; used when all are ejected."""
        now = self.clock()
        known = [(self._breaker(target, who, now), target) for target in targets]
        open_ones = [
            (breaker, target) for breaker, target in known if breaker is None or not breaker.cools(now)
        ]
        return [
            target
            for _, target in sorted(
                open_ones, key=lambda pair: (pair[0].openings, pair[0].open_until) if pair[0] else (0, 0.0)
            )
        ]

    def _breaker(self, target: Target, who: int, now: float) -> CircuitBreaker | None:
        entry = self._entries.get(target.id)
        return entry.for_tenant(who, now) if entry is not None else None

    def unavailable(self, targets: Sequence[Target], who: int = 0) -> Unavailable:
        """Return the failure that none of these can be called, with the wait for the first."""
        if any(self.is_full(target.id, who) for target in targets):
            self.watch.full()
            return Unavailable(1.0 + 2.0 * self.dice(), is_limited=False, reason="every deployment is full")
        now = self.clock()
        breakers = [breaker for target in targets if (breaker := self._breaker(target, who, now)) is not None]
        wait = min((breaker.retry_at(now) - now for breaker in breakers), default=1.0)
        is_limited = bool(breakers) and all(
            breaker.cools(now) and not breaker.is_ejected(now) for breaker in breakers
        )
        return Unavailable(max(wait, 1.0), is_limited=is_limited)

    def update_targets(self, targets: Iterable[Target], tiers: Sequence[Sequence[int]] = ()) -> None:
        """Apply a changed catalog: drop deployments that are gone, and reset the state of changed ones.

        `tiers` are groups of deployments that replace each other, by id.
        """
        self._targets, self._tiers = {target.id: target for target in targets}, tiers
        self._bulkheads.renew(self._targets.values())
        self.additions.forget_others(self._targets)
        for target_id, entry in list(self._entries.items()):
            target = self._targets.get(target_id)
            if target is None:
                del self._entries[target_id]
            else:
                is_calm = entry.breaker.is_calm and not entry.own
                if not is_calm and address_of(target) != address_of(entry.target):
                    entry.forgive()
                entry.target = target

    def seen(self) -> list[DeploymentSnapshot]:
        """Return the current snapshot of every deployment that was called."""
        now = self.clock()
        return [snapshot_of(entry, now) for entry in self._entries.values()]

    def _entry(self, target: Target) -> DeploymentState:
        entry = self._entries[target.id] = DeploymentState(
            target, lambda: CircuitBreaker(self.policy, self.dice)
        )
        return entry

    def publish_hint(self, entry: DeploymentState, before: Phase, now: float) -> None:
        """Send a new opening or cooldown of this process to other processes."""
        breaker, each = entry.breaker, entry.target.id
        if breaker.phase is Phase.OPEN and before is not Phase.OPEN:
            self.watch.learned(HealthHint(each, "open", breaker.open_until - now, breaker.reason))
        if breaker.cool_until > max(now, entry.told_cool_until + TELL_S):
            entry.told_cool_until = breaker.cool_until
            self.watch.learned(HealthHint(each, "cool", breaker.cool_until - now))
