"""What this process has learned of each deployment from its own calls: breaker, calls in flight, time to first content.

In memory, per process, by the deployment's row id. Cost: about 2 us a call.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Iterable, Sequence

import msgspec

from providers.breaker import Breaker, Phase, Policy
from providers.failures import Unavailable, UpstreamFailed
from providers.retry_budget import RetryBudget
from providers.target import Target

logger = logging.getLogger("gateway.health")

LATENCY_TAU_S = 10.0
SERVER_ERROR = 500


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


class Entry:
    """One deployment's state."""

    __slots__ = ("_cost_s", "_measured_at", "breaker", "in_flight", "target", "value")

    def __init__(self, target: Target, breaker: Breaker) -> None:
        self.target, self.breaker = target, breaker
        self.in_flight = 0
        self.value = 1.0  # as last told to `on_change`
        self._cost_s = 0.0
        self._measured_at = float("-inf")

    def measure(self, now: float, seconds: float) -> None:
        """Peak-EWMA: jumps up at once, comes down slowly."""
        decay = math.exp(-max(0.0, now - self._measured_at) / LATENCY_TAU_S)
        self._cost_s = max(seconds, self._cost_s * decay + seconds * (1.0 - decay))
        self._measured_at = now

    def latency(self, now: float) -> float:
        """Seconds to the first content; fades while nothing is measured, so that it is tried again."""
        if not self._cost_s:
            return 0.0
        return self._cost_s * math.exp(-max(0.0, now - self._measured_at) / LATENCY_TAU_S)


class Turn:
    """One attempt at one deployment: exactly one verdict, and exactly one end of being in flight."""

    __slots__ = ("_entry", "_health", "_is_in_flight", "began", "is_probe")

    def __init__(self, health: Health, entry: Entry, began: float, is_probe: bool) -> None:  # noqa: FBT001 - one fact
        self._health, self._entry, self.began, self.is_probe = health, entry, began, is_probe
        self._is_in_flight = True
        entry.in_flight += 1

    def answered(self) -> None:
        """The deployment showed content."""
        entry, now = self._entry, self._health.clock()
        entry.measure(now, now - self.began)
        entry.breaker.succeeded(now, self.began, is_probe=self.is_probe)
        self.is_probe = False
        self._health.tell(entry, now)

    def failed(self, failure: UpstreamFailed) -> None:
        """Judge a failure: some open the breaker, a 429 cools it, a client's own error says nothing."""
        self._health.judge(self._entry, self, failure)
        self.is_probe = False

    def let_go(self) -> None:
        """Nothing was learned: the client left, or its own deadline passed."""
        self._entry.breaker.let_go(is_probe=self.is_probe)
        self.is_probe = False
        self.end()

    def end(self) -> None:
        """The call is no longer in flight. May be called more than once."""
        if self._is_in_flight:
            self._is_in_flight = False
            self._entry.in_flight -= 1


OnChange = Callable[[Target, float], None]


class Health:
    """Every deployment that was called. `on_change` hears of a deployment's new value (Breaker.value)."""

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
        on_change: OnChange = lambda _target, _value: None,
        on_overflow: Callable[[str], None] = lambda _provider: None,
    ) -> None:
        self.policy, self.clock, self.dice = policy or Policy(), clock, dice
        self.on_change, self.on_overflow = on_change, on_overflow
        self._entries: dict[int, Entry] = {}
        self._budgets: dict[str, RetryBudget] = {}

    def get(self, target_id: int) -> Entry | None:
        """What is known of a deployment; None: nothing yet, so nothing bad."""
        return self._entries.get(target_id)

    def budget(self, provider: str) -> RetryBudget:
        budget = self._budgets.get(provider)
        if budget is None:
            budget = self._budgets[provider] = RetryBudget()
        return budget

    def start(self, target: Target) -> Turn | None:
        """Begin an attempt; None: this deployment may not be called now."""
        entry = self._entries.get(target.id)
        if entry is None:
            entry = self._entries[target.id] = Entry(target, Breaker(self.policy, self.dice))
        now = self.clock()
        is_probe = entry.breaker.begin(now)
        if is_probe is None:
            return None
        if is_probe:
            self.tell(entry, now)
        return Turn(self, entry, now, is_probe)

    def judge(self, entry: Entry, turn: Turn, failure: UpstreamFailed) -> None:
        """Move the breaker by what went wrong."""
        breaker, now = entry.breaker, self.clock()
        if failure.code == "upstream_auth_failed":
            breaker.let_go(is_probe=turn.is_probe)
            if breaker.phase is not Phase.OPEN:
                logger.error(
                    "provider %s refused the credential of deployment %s (%s): it is left alone for a while",
                    entry.target.provider,
                    entry.target.name,
                    failure.reason,
                )
            breaker.trip(now, failure.code)
        elif failure.status is not None and failure.status < SERVER_ERROR:
            breaker.let_go(is_probe=turn.is_probe)
            if failure.code == "upstream_rate_limited":
                breaker.cool(now, failure.retry_after_s)
        else:
            breaker.failed(now, turn.began, failure.reason[:200], is_probe=turn.is_probe)
            if failure.retry_after_s:
                breaker.cool(now, failure.retry_after_s)
        self.tell(entry, now)

    def tell(self, entry: Entry, now: float) -> None:
        """Pass on a changed value."""
        value = 1.0 if entry.breaker.is_calm else entry.breaker.value(now)
        if value != entry.value:
            entry.value = value
            if value == 0.0:
                logger.warning(
                    "deployment %s is left alone for %.1f s: %s",
                    entry.target.name,
                    entry.breaker.retry_at(now) - now,
                    entry.breaker.reason,
                )
            self.on_change(entry.target, value)

    def least_bad(self, targets: Iterable[Target]) -> list[Target]:
        """Return those that their providers allow to be called, the most promising first: all of them are resting."""
        now = self.clock()
        known = [(self._entries.get(target.id), target) for target in targets]
        open_ones = [(e, target) for e, target in known if e is None or not e.breaker.cools(now)]
        return [
            target
            for _, target in sorted(
                open_ones,
                key=lambda pair: (
                    (pair[0].breaker.openings, pair[0].breaker.open_until) if pair[0] else (0, 0.0)
                ),
            )
        ]

    def unavailable(self, targets: Sequence[Target]) -> Unavailable:
        """Say that none of these can be called, and when the first may be."""
        now = self.clock()
        breakers = [
            entry.breaker for target in targets if (entry := self._entries.get(target.id)) is not None
        ]
        wait = min((breaker.retry_at(now) - now for breaker in breakers), default=1.0)
        is_limited = bool(breakers) and all(
            breaker.cools(now) and not breaker.is_ejected(now) for breaker in breakers
        )
        return Unavailable(max(wait, 1.0), is_limited=is_limited)

    def renew(self, targets: Iterable[Target]) -> None:
        """After the catalog changed: forget deployments that are gone, and the sins of those that were changed."""
        present = {target.id: target for target in targets}
        for target_id, entry in list(self._entries.items()):
            target = present.get(target_id)
            if target is None:
                del self._entries[target_id]
            else:
                if not entry.breaker.is_calm and _address(target) != _address(entry.target):
                    entry.breaker = Breaker(self.policy, self.dice)
                entry.target = target

    def seen(self) -> list[Seen]:
        """Return every deployment that was called, as it is now."""
        now = self.clock()
        return [_seen(entry, now) for entry in self._entries.values()]


def _address(target: Target) -> tuple[object, ...]:
    return (
        target.provider,
        target.base_url,
        target.upstream_model,
        target.api_version,
        target.region,
        target.secret.reveal(),
        target.metadata,
    )


def _seen(entry: Entry, now: float) -> Seen:
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
