"""The state that is kept of one deployment, and its snapshot. Pure; clock passed in.

`breaker` is for all tenants. A tenant whose calls fail has a breaker of its own, so that failures which its requests
may cause - timeouts of huge prompts, server errors, a credential that is only perhaps wrong - eject the deployment for
that tenant alone, until calls of others fail too.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import msgspec

from providers.resilience import affected_tenants
from providers.resilience.circuit_breaker import CircuitBreaker, Phase
from providers.resilience.outlier_detection import Record
from providers.target import Target

LATENCY_TAU_S = 10.0
KEPT = 64  # latencies, for comparing a deployment with its peers
FRESH_S = 60.0
ON_TRIAL = 0.5
MOST_OWN = 64  # tenants with a breaker of their own at one deployment, or rate limited there


class DeploymentState:
    """One deployment's state. `make_breaker` creates a circuit breaker."""

    __slots__ = (
        "_cost_s",
        "_latencies",
        "_measured_at",
        "answered_at",
        "breaker",
        "in_flight",
        "limited_tenants",
        "make_breaker",
        "published_cool_until",
        "target",
        "tenant_breakers",
        "value",
    )

    def __init__(self, target: Target, make_breaker: Callable[[], CircuitBreaker]) -> None:
        self.target, self.make_breaker = target, make_breaker
        self.breaker = make_breaker()
        self.tenant_breakers: dict[int, CircuitBreaker] = {}
        self.limited_tenants: dict[
            int, float
        ] = {}  # tenants whose calls were rate limited (429), and until when
        self.in_flight = 0
        self.answered_at = float("-inf")
        self.value = 1.0  # as last reported to Watch.on_change
        self.published_cool_until = float("-inf")  # as last sent to other processes
        self._cost_s = 0.0
        self._measured_at = float("-inf")
        self._latencies: deque[tuple[float, float, int]] = deque(maxlen=KEPT)

    def breaker_for(self, tenant_id: int, now: float) -> CircuitBreaker:
        """Return the breaker that decides for a tenant: the shared one, unless only its own restricts its calls."""
        own = self.tenant_breakers.get(tenant_id) if self.tenant_breakers else None
        return self.breaker if own is None or own.is_unrestricted or self.breaker.is_blocked(now) else own

    def tenant_breaker(self, tenant_id: int) -> CircuitBreaker:
        """Return a tenant's own breaker, created when its first call fails; the oldest is evicted."""
        own = self.tenant_breakers.get(tenant_id)
        if own is None:
            _evict_oldest(self.tenant_breakers)
            own = self.tenant_breakers[tenant_id] = self.make_breaker()
        return own

    def record_limited(self, tenant_id: int, until: float) -> None:
        """Record that calls of this tenant are rate limited until then; the oldest is evicted."""
        self.limited_tenants.pop(tenant_id, None)
        _evict_oldest(self.limited_tenants)
        self.limited_tenants[tenant_id] = until

    def value_at(self, now: float) -> float:
        """Return CircuitBreaker.value: that of ejected tenants, if no other tenant is known to be served."""
        value = self.breaker.value(now)
        seen = [(own.value(now), own.since) for own in self.tenant_breakers.values()]
        away = [each for each in seen if each[0] < 1.0]
        if value < 1.0 or not away:
            return value
        return ON_TRIAL if self.answered_at >= max(since for _, since in away) else min(away)[0]

    def is_limited_for_others(self, tenant_id: int, now: float) -> bool:
        """Whether the provider limits calls of other tenants too; drops expired entries."""
        self.limited_tenants = {each: until for each, until in self.limited_tenants.items() if until > now}
        return any(each != tenant_id for each in self.limited_tenants)

    def reset(self) -> None:
        """Reset all breakers and limits."""
        self.breaker = self.make_breaker()
        self.tenant_breakers.clear()
        self.limited_tenants.clear()

    def measure(self, now: float, seconds: float, tenant_id: int = 0) -> None:
        """Update the peak EWMA: it rises at once and decays slowly."""
        decay = math.exp(-max(0.0, now - self._measured_at) / LATENCY_TAU_S)
        self._cost_s = max(seconds, self._cost_s * decay + seconds * (1.0 - decay))
        self._measured_at = now
        self._latencies.append((now, seconds, tenant_id))

    def latency(self, now: float) -> float:
        """Seconds to the first content; decays while nothing is measured, so that it is tried again."""
        if not self._cost_s:
            return 0.0
        return self._cost_s * math.exp(-max(0.0, now - self._measured_at) / LATENCY_TAU_S)

    def is_crowded(self, now: float, limit: int, tenant_id: int = 0, tenant_in_flight: int = 0) -> bool:
        """Whether a deployment in slow start has its share of calls in flight: avoids a thundering herd.

        `tenant_in_flight` are the calls in flight of this tenant; the slow start may be for this tenant alone.
        """
        part = self.breaker.ramp(now)
        if part < 1.0 and self.in_flight >= max(1, int(limit * part)):
            return True
        own = self.tenant_breakers.get(tenant_id)
        part = 1.0 if own is None else own.ramp(now)
        return part < 1.0 and tenant_in_flight >= max(1, int(limit * part))

    def record(self, now: float, without: int = 0) -> Record:
        """Return the record of its latest calls, for comparison with its peers; without those of one tenant."""
        calls, failures = self.breaker.counts(now)
        fresh = [each for each in self._latencies if now - each[0] <= FRESH_S]
        if without:
            excluded = self.breaker.failures_by_tenant(now).get(without, 0)
            calls, failures = calls - excluded, failures - excluded
            fresh = [each for each in fresh if each[2] != without]
        latencies = [seconds for _, seconds, _ in fresh]
        return Record(id=self.target.id, calls=calls, failures=failures, latencies=latencies)

    def suspect_tenants(self, now: float) -> set[int]:
        """Return the tenant with the most failures, and the one with the most measured latencies."""
        slow = Counter(tenant_id for at, _, tenant_id in self._latencies if tenant_id and now - at <= FRESH_S)
        found = {
            affected_tenants.most_affected(self.breaker.failures_by_tenant(now))[0],
            *(tenant_id for tenant_id, _ in slow.most_common(1)),
        }
        return {
            tenant_id for tenant_id in found if tenant_id > 0
        }  # the rest are no tenants (providers/resilience/affected_tenants.py)

    def clear_latencies(self) -> None:
        self._latencies.clear()


def _evict_oldest(by_tenant: dict[int, Any]) -> None:
    while len(by_tenant) >= MOST_OWN:
        del by_tenant[next(iter(by_tenant))]


class DeploymentSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment's state as observed from its traffic, for pages and the operators' API."""

    id: int
    alias: str
    provider: str
    deployment: str
    state: str  # closed | open | half_open | ramping | cooling
    value: float  # as in gateway_deployment_state
    reason: str
    consecutive_failures: int
    retry_in_s: float
    in_flight: int
    latency_ms: float | None


def snapshot_of(entry: DeploymentState, now: float) -> DeploymentSnapshot:
    """Return the current snapshot of a deployment."""
    breaker, target = entry.breaker, entry.target
    if breaker.value(now) == 1.0 and entry.tenant_breakers:
        # The view of the ejected tenant.
        breaker = min(entry.tenant_breakers.values(), key=lambda own: own.value(now))
    latency = entry.latency(now)
    return DeploymentSnapshot(
        id=target.id,
        alias=target.alias,
        provider=target.provider,
        deployment=target.name,
        state=_state(breaker, now),
        value=entry.value_at(now),
        reason=breaker.reason,
        consecutive_failures=breaker.consecutive,
        retry_in_s=round(breaker.retry_at(now) - now, 3),
        in_flight=entry.in_flight,
        latency_ms=round(latency * 1000, 3) if latency else None,
    )


def _state(breaker: CircuitBreaker, now: float) -> str:
    if breaker.phase is not Phase.CLOSED:
        return str(breaker.phase.value)
    if breaker.is_cooling_down(now) or now < breaker.soft_until:
        return "cooling"
    return "ramping" if breaker.share(now) < 1.0 else "closed"


def address_of(target: Target) -> tuple[object, ...]:
    """Return the fields whose change resets a deployment's state."""
    return (
        target.provider,
        target.base_url,
        target.upstream_model,
        target.api_version,
        target.region,
        target.secret.reveal(),
        target.metadata,
    )
