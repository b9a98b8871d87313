"""One attempt at one deployment, and how its outcome changes the circuit breakers: the fault decides.

If one tenant's request may be the cause, the deployment is ejected for that tenant; for all tenants it is ejected once
calls of others fail too, or if the cause is certain: a 401, an account without money, the provider's Retry-After.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from providers.resilience.circuit_breaker import Phase
from providers.resilience.health_hint import HealthHint

if TYPE_CHECKING:
    from providers.errors.exceptions import UpstreamFailed
    from providers.resilience.bulkhead import Bulkhead
    from providers.resilience.deployment_state import DeploymentState
    from providers.resilience.health import DeploymentHealth

logger = logging.getLogger(__name__)

LONGEST_TOLD_S: Final = 120.0  # no cooldown is longer, whatever a provider asks


class DeploymentAttempt:
    """One attempt at one deployment. It has exactly one verdict, and leaves the in-flight count exactly once."""

    __slots__ = (
        "_bulkhead",
        "_entry",
        "_health",
        "_is_in_flight",
        "began",
        "is_own_probe",
        "is_probe",
        "who",
    )

    def __init__(
        self,
        health: DeploymentHealth,
        entry: DeploymentState,
        bulkhead: Bulkhead,
        began: float,
        who: int,
    ) -> None:
        self._health, self._entry, self._bulkhead = health, entry, bulkhead
        self.began, self.who = began, who
        self.is_probe = self.is_own_probe = False
        self._is_in_flight = True
        entry.in_flight += 1
        bulkhead.take(who)

    def record_success(self) -> None:
        """Record that the deployment sent content."""
        entry, now = self._entry, self._health.clock()
        breaker = entry.breaker
        entry.measure(now, now - self.began, self.who)
        self._bulkhead.budget.answered(now)
        before, was_hinted = breaker.phase, breaker.is_hinted
        breaker.succeeded(now, self.began, is_probe=self.is_probe)
        entry.answered_at = now
        if entry.own:
            self._answered_own(now)
        self.is_probe = self.is_own_probe = False
        if breaker.phase is not before and breaker.phase is Phase.CLOSED and not was_hinted:
            self._health.watch.learned(HealthHint(entry.target.id, "closed"))
            for own in entry.own.values():  # a tenant whose probe failed may probe at once
                own.hear_closed(now)
        self._health.notify(entry, now)

    def _answered_own(self, now: float) -> None:
        own = self._entry.own.get(self.who)
        if own is None:
            return
        before = own.phase
        own.succeeded(now, self.began, is_probe=self.is_own_probe)
        if own.phase is Phase.CLOSED and before is not Phase.CLOSED:
            self._health.watch.learned(HealthHint(self._entry.target.id, "closed", tenant_id=self.who))
        if own.is_calm:
            del self._entry.own[self.who]

    def record_failure(self, failure: UpstreamFailed) -> None:
        """Judge a failure: some open the breaker, a 429 starts a cooldown, a client's own error changes nothing."""
        judge(self._health, self._entry, self, failure)
        self.is_probe = self.is_own_probe = False

    def release(self) -> None:
        """End without a verdict: the client disconnected, or its own deadline passed."""
        self.give_back()
        self.finish()

    def give_back(self) -> None:
        """Release the probe, so that another call may be the probe."""
        self._entry.breaker.let_go(is_probe=self.is_probe)
        if self.is_own_probe and (own := self._entry.own.get(self.who)) is not None:
            own.let_go(is_probe=True)
        self.is_probe = self.is_own_probe = False

    def finish(self) -> None:
        """Remove the call from the in-flight count. May be called more than once."""
        if self._is_in_flight:
            self._is_in_flight = False
            self._entry.in_flight -= 1
            self._bulkhead.give_back(self.who)


def judge(
    health: DeploymentHealth, entry: DeploymentState, turn: DeploymentAttempt, failure: UpstreamFailed
) -> None:
    """Update the breakers according to the failure's fault, and set on the failure how long the cooldown is."""
    breaker, now = entry.breaker, health.clock()
    before, fault = breaker.phase, failure.fault
    if fault in {"request", "nobody"}:
        turn.give_back()
    elif fault == "limit":
        turn.give_back()
        _cool(health, entry, turn.who, failure, now)
    elif failure.is_sure:
        turn.give_back()
        breaker.trip(now, failure.code)
    else:
        _count(health, entry, turn, failure, now)
    if fault not in {"request", "nobody", "limit"}:
        health.budget(entry.target).failed(turn.who)
    is_out = breaker.phase is Phase.OPEN and before is not Phase.OPEN
    if is_out and fault in {"credential", "account"}:
        logger.error(
            "deployment.refused",
            extra={
                "provider": entry.target.provider,
                "deployment": entry.target.name,
                "fault": fault,
                "reason": failure.reason,
            },
        )
    health.publish_hint(entry, before, now)
    health.notify(entry, now)


def _cool(
    health: DeploymentHealth, entry: DeploymentState, who: int, failure: UpstreamFailed, now: float
) -> None:
    """Start the cooldown that the provider asks for: for this tenant, whose prompt may exceed the whole limit of a
    minute; for all tenants once a call of another tenant is limited too.
    """
    is_alone = bool(who) and not entry.is_limited_for_others(who, now)
    breaker = entry.own_of(who) if is_alone else entry.breaker
    breaker.cool(now, failure.retry_after_s)
    entry.note_limited(who, max(breaker.cool_until, breaker.soft_until))
    if failure.retry_after_s and failure.retry_after_s > LONGEST_TOLD_S:
        failure.retry_after_s = max(breaker.cool_until - now, 1.0)  # as for every other call
    if is_alone and failure.retry_after_s:
        health.watch.learned(HealthHint(entry.target.id, "cool", breaker.cool_until - now, tenant_id=who))


def _count(
    health: DeploymentHealth,
    entry: DeploymentState,
    turn: DeploymentAttempt,
    failure: UpstreamFailed,
    now: float,
) -> None:
    """Count a possible fault of the deployment: for the tenant that saw it, and for all if others see it too."""
    breaker, who, reason = entry.breaker, turn.who, failure.reason[:200]
    is_doubt = failure.fault in {"credential", "account"}
    was_probe = turn.is_probe
    breaker.failed(now, turn.began, reason, is_probe=was_probe, who=who, is_doubt=is_doubt)
    its_own = breaker
    if who and breaker.phase is not Phase.OPEN:
        its_own = entry.own_of(who)
        before = its_own.phase
        its_own.failed(now, turn.began, reason, is_probe=turn.is_own_probe)
        if was_probe:
            its_own.trip(now, reason)  # the next probe for all tenants is another tenant's
        if its_own.phase is Phase.OPEN and before is not Phase.OPEN:
            health.rests_for(entry, who, now)
    elif turn.is_own_probe:
        entry.own_of(who).let_go(is_probe=True)
    if failure.retry_after_s:
        (breaker if breaker.has_witnesses else its_own).cool(now, failure.retry_after_s)
