"""What is remembered of one deployment, and what others see of it. Pure; clock passed in."""

from __future__ import annotations

import math
from collections import deque

import msgspec

from providers.breaker import Breaker, Phase
from providers.outliers import Record
from providers.target import Target

LATENCY_TAU_S = 10.0
KEPT = 64  # latencies, for comparing a deployment with its peers
FRESH_S = 60.0


class Entry:
    """One deployment's state."""

    __slots__ = (
        "_cost_s",
        "_latencies",
        "_measured_at",
        "breaker",
        "in_flight",
        "target",
        "told_cool_until",
        "value",
    )

    def __init__(self, target: Target, breaker: Breaker) -> None:
        self.target, self.breaker = target, breaker
        self.in_flight = 0
        self.value = 1.0  # as last told to whoever watches
        self.told_cool_until = float("-inf")  # as last told to other processes
        self._cost_s = 0.0
        self._measured_at = float("-inf")
        self._latencies: deque[tuple[float, float]] = deque(maxlen=KEPT)

    def measure(self, now: float, seconds: float) -> None:
        """Peak-EWMA: jumps up at once, comes down slowly."""
        decay = math.exp(-max(0.0, now - self._measured_at) / LATENCY_TAU_S)
        self._cost_s = max(seconds, self._cost_s * decay + seconds * (1.0 - decay))
        self._measured_at = now
        self._latencies.append((now, seconds))

    def latency(self, now: float) -> float:
        """Seconds to the first content; fades while nothing is measured, so that it is tried again."""
        if not self._cost_s:
            return 0.0
        return self._cost_s * math.exp(-max(0.0, now - self._measured_at) / LATENCY_TAU_S)

    def is_crowded(self, now: float, limit: int) -> bool:
        """Whether one that comes back has as many calls as it should have by now: the herd must not trample it."""
        part = self.breaker.ramp(now)
        return part < 1.0 and self.in_flight >= max(1, int(limit * part))

    def record(self, now: float) -> Record:
        """Return what its latest calls say, for comparing it with its peers."""
        calls, failures = self.breaker.counts(now)
        fresh = [seconds for at, seconds in self._latencies if now - at <= FRESH_S]
        return Record(id=self.target.id, calls=calls, failures=failures, latencies=fresh)

    def forget_latencies(self) -> None:
        self._latencies.clear()


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment as its traffic shows it: for pages and the operators' API."""

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


def seen_of(entry: Entry, now: float) -> Seen:
    """Return a deployment as it is now."""
    breaker, target = entry.breaker, entry.target
    latency = entry.latency(now)
    return Seen(
        id=target.id,
        alias=target.alias,
        provider=target.provider,
        deployment=target.name,
        state=_state(breaker, now),
        value=breaker.value(now),
        reason=breaker.reason,
        consecutive_failures=breaker.consecutive,
        retry_in_s=round(breaker.retry_at(now) - now, 3),
        in_flight=entry.in_flight,
        latency_ms=round(latency * 1000, 3) if latency else None,
    )


def _state(breaker: Breaker, now: float) -> str:
    if breaker.phase is not Phase.CLOSED:
        return str(breaker.phase.value)
    if breaker.cools(now) or now < breaker.soft_until:
        return "cooling"
    return "ramping" if breaker.share(now) < 1.0 else "closed"


def address_of(target: Target) -> tuple[object, ...]:
    """Return what must change for a deployment to start with a clean slate."""
    return (
        target.provider,
        target.base_url,
        target.upstream_model,
        target.api_version,
        target.region,
        target.secret.reveal(),
        target.metadata,
    )
