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

MAX_COOLDOWN_S: Final = 120.0  # no cooldown is longer, whatever a provider asks


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
        "tenant_id",
    )

    def __init__(
        self,
        health: DeploymentHealth,
        entry: DeploymentState,
        bulkhead: Bulkhead,
        began: float,
        tenant_id: int,
    ) -> None:
        self._health, self._entry, self._bulkhead = health, entry, bulkhead
        self.began, self.tenant_id = began, tenant_id
        self.is_probe = self.is_own_probe = False
        self._is_in_flight = True
        entry.in_flight += 1
        bulkhead.acquire(tenant_id)

    def record_success(self) -> None:
        """Record that the deployment sent content."""
        entry, now = self._entry, self._health.clock()
        breaker = entry.breaker
        entry.measure(now, now - self.began, self.tenant_id)
        self._bulkhead.budget.record_success(now)
        before, was_hinted = breaker.phase, breaker.is_hinted
        breaker.record_success(now, self.began, is_probe=self.is_probe)
        entry.answered_at = now
        if entry.tenant_breakers:
            self._record_tenant_success(now)
        self.is_probe = self.is_own_probe = False
        if breaker.phase is not before and breaker.phase is Phase.CLOSED and not was_hinted:
            self._health.watch.on_hint(HealthHint(entry.target.id, "closed"))
            for own in entry.tenant_breakers.values():  # a tenant whose probe failed may probe at once
                own.on_hint_closed(now)
        self._health.notify(entry, now)

    def _record_tenant_success(self, now: float) -> None:
        own = self._entry.tenant_breakers.get(self.tenant_id)
        if own is None:
            return
        before = own.phase
        own.record_success(now, self.began, is_probe=self.is_own_probe)
        if own.phase is Phase.CLOSED and before is not Phase.CLOSED:
            self._health.watch.on_hint(HealthHint(self._entry.target.id, "closed", tenant_id=self.tenant_id))
        if own.is_unrestricted:
            del self._entry.tenant_breakers[self.tenant_id]

    def record_failure(self, failure: UpstreamFailed) -> None:
        """Judge a failure: some open the breaker, a 429 starts a cooldown, a client's own error changes nothing."""
        record_failure(self._health, self._entry, self, failure)
        self.is_probe = self.is_own_probe = False

    def release(self) -> None:
        """End without a verdict: the client disconnected, or its own deadline passed."""
        self.release_probe()
        self.finish()

    def release_probe(self) -> None:
        """Release the probe, so that another call may be the probe."""
        self._entry.breaker.release_probe(is_probe=self.is_probe)
        if self.is_own_probe and (own := self._entry.tenant_breakers.get(self.tenant_id)) is not None:
            own.release_probe(is_probe=True)
        self.is_probe = self.is_own_probe = False

    def finish(self) -> None:
        """Remove the call from the in-flight count. May be called more than once."""
        if self._is_in_flight:
            self._is_in_flight = False
            self._entry.in_flight -= 1
            self._bulkhead.release(self.tenant_id)


def record_failure(
    health: DeploymentHealth, entry: DeploymentState, attempt: DeploymentAttempt, failure: UpstreamFailed
) -> None:
    """Update the breakers according to the failure's fault, and set on the failure how long the cooldown is."""
    breaker, now = entry.breaker, health.clock()
    before, fault = breaker.phase, failure.fault
    if fault in {"request", "none"}:
        attempt.release_probe()
    elif fault == "limit":
        attempt.release_probe()
        _start_cooldown(health, entry, attempt.tenant_id, failure, now)
    elif failure.is_sure:
        attempt.release_probe()
        breaker.trip(now, failure.code)
    else:
        _count_failure(health, entry, attempt, failure, now)
    if fault not in {"request", "none", "limit"}:
        health.budget(entry.target).record_failure(attempt.tenant_id)
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


def _start_cooldown(
    health: DeploymentHealth, entry: DeploymentState, tenant_id: int, failure: UpstreamFailed, now: float
) -> None:
    """Start the cooldown that the provider asks for: for this tenant, whose prompt may exceed the whole limit of a
    minute; for all tenants once a call of another tenant is limited too.
    """
    is_alone = bool(tenant_id) and not entry.is_limited_for_others(tenant_id, now)
    breaker = entry.tenant_breaker(tenant_id) if is_alone else entry.breaker
    breaker.start_cooldown(now, failure.retry_after_s)
    entry.record_limited(tenant_id, max(breaker.cool_until, breaker.soft_until))
    if failure.retry_after_s and failure.retry_after_s > MAX_COOLDOWN_S:
        failure.retry_after_s = max(breaker.cool_until - now, 1.0)  # as for every other call
    if is_alone and failure.retry_after_s:
        health.watch.on_hint(
            HealthHint(entry.target.id, "cool", breaker.cool_until - now, tenant_id=tenant_id)
        )


def _count_failure(
    health: DeploymentHealth,
    entry: DeploymentState,
    attempt: DeploymentAttempt,
    failure: UpstreamFailed,
    now: float,
) -> None:
    """Count a possible fault of the deployment: for the tenant that saw it, and for all if others see it too."""
    breaker, tenant_id, reason = entry.breaker, attempt.tenant_id, failure.reason[:200]
    needs_confirmation = failure.fault in {"credential", "account"}
    was_probe = attempt.is_probe
    breaker.record_failure(
        now,
        attempt.began,
        reason,
        is_probe=was_probe,
        tenant_id=tenant_id,
        needs_confirmation=needs_confirmation,
    )
    decisive = breaker
    if tenant_id and breaker.phase is not Phase.OPEN:
        decisive = entry.tenant_breaker(tenant_id)
        before = decisive.phase
        decisive.record_failure(now, attempt.began, reason, is_probe=attempt.is_own_probe)
        if was_probe:
            decisive.trip(now, reason)  # the next probe for all tenants is another tenant's
        if decisive.phase is Phase.OPEN and before is not Phase.OPEN:
            health.publish_tenant_ejection(entry, tenant_id, now)
    elif attempt.is_own_probe:
        entry.tenant_breaker(tenant_id).release_probe(is_probe=True)
    if failure.retry_after_s:
        (breaker if breaker.affects_several_tenants else decisive).start_cooldown(now, failure.retry_after_s)
