"""The circuit breaker of one deployment: when calls stop, and how they resume. Pure; clock and dice passed in.

closed -> open (failures) -> half-open (one probe at a time) -> closed, with a slow start: a small share grows (ramp).
In addition, cooldowns: a provider's Retry-After is a minimum that nothing overrides. Outcomes of other processes are
hints: short, and overruled by what this process sees. Failures of one tenant's calls alone do not open it: that
tenant has a breaker of its own (providers/resilience/deployment_state.py). Cost: under 1 us a call.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import msgspec

from providers.resilience import affected_tenants
from providers.resilience.outcome_counts import OutcomeCounts

SOFT_COOL_S = 1.0  # after a 429 without Retry-After: other deployments go first for so long
COOL_JITTER = 0.1  # only upward: no call is sent before the Retry-After ends
OPEN_JITTER = (0.8, 1.2)
LONGEST_HINT_S = 10.0  # then this process probes by itself
IGNORE_HINTS_S = 60.0  # after this process disproved such a hint, further ones are ignored for so long


class Phase(Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """When a breaker opens and how it closes. Times in seconds."""

    consecutive: int = 5  # consecutive failures that open it
    samples: int = 20  # with so many calls in the last ten seconds...
    ratio: float = 0.5  # ...this share of failures opens it too
    first_open_s: float = 5.0  # doubled with every opening, up to the longest
    longest_open_s: float = 120.0
    good_s: float = 300.0  # after so long closed, the next opening counts as the first
    successes: int = 3  # good probes that close it
    ramp_s: float = 10.0
    ramp_from: float = 0.1
    longest_cool_s: float = 120.0


class CircuitBreaker:
    """`is_unrestricted` is the fast path of the normal case: closed, at its full share, no cooldown."""

    __slots__ = (
        "_consecutive_by_tenant",
        "_dice",
        "_failed_probe_tenant",
        "_outcomes",
        "_policy",
        "consecutive",
        "cool_until",
        "good_probes",
        "ignore_hints_until",
        "is_hinted",
        "is_probing",
        "is_unrestricted",
        "open_until",
        "openings",
        "phase",
        "ramp_since",
        "reason",
        "since",
        "soft_until",
    )

    def __init__(self, policy: Policy, dice: Callable[[], float]) -> None:
        self._policy, self._dice = policy, dice
        self.phase = Phase.CLOSED
        self.since = float("-inf")  # when the phase began
        self.reason = ""  # why it opened last
        self.openings = self.consecutive = self.good_probes = 0
        self.open_until = self.cool_until = self.soft_until = float("-inf")
        self.ramp_since: float | None = None
        self.ignore_hints_until = float("-inf")
        self.is_probing = self.is_hinted = False  # hinted: only another process saw failures
        self.is_unrestricted = True
        self._outcomes = OutcomeCounts()
        self._consecutive_by_tenant: dict[int, int] = {}  # of the consecutive ones, by tenant
        self._failed_probe_tenant = 0  # the only tenant whose probe failed

    def is_blocked(self, now: float) -> bool:
        """Whether no call should be sent now."""
        return not self.is_unrestricted and (self.is_cooling_down(now) or self.is_ejected(now))

    def is_cooling_down(self, now: float) -> bool:
        """Whether the provider's cooldown still runs."""
        return now < self.cool_until

    def is_ejected(self, now: float) -> bool:
        """Whether failures eject it: open, or half-open with its one probe in flight."""
        if self.phase is Phase.OPEN:
            return now < self.open_until
        return self.phase is Phase.HALF_OPEN and self.is_probing

    def share(self, now: float) -> float:
        """The probability that a call is sent here at this deployment's turn; 0: only after the others."""
        if self.is_unrestricted:
            return 1.0
        return 0.0 if now < self.soft_until else self.ramp(now)

    def ramp(self, now: float) -> float:
        """The share of its usual calls in the slow start: below 1 for a while after it has closed again."""
        if self.ramp_since is None:
            return 1.0
        policy = self._policy
        done = min(1.0, max(0.0, (now - self.ramp_since) / policy.ramp_s))
        return policy.ramp_from + (1.0 - policy.ramp_from) * done

    def retry_at(self, now: float) -> float:
        """The earliest time at which a call may succeed."""
        return max(now, self.cool_until, self.open_until if self.phase is Phase.OPEN else now)

    def value(self, now: float) -> float:
        """0 open, 0.5 recovering (half-open, slow start, cooldown), 1 closed."""
        if self.is_unrestricted:
            return 1.0
        if self.phase is Phase.OPEN and now < self.open_until:
            return 0.0
        is_coming_back = self.phase is not Phase.CLOSED or self.share(now) < 1.0 or self.is_cooling_down(now)
        return 0.5 if is_coming_back else 1.0

    def begin(self, now: float) -> bool | None:
        """Start a call: True: it is the probe, False: an ordinary call, None: it may not start."""
        if self.is_unrestricted:
            return False
        if self.is_cooling_down(now):
            return None
        if self.phase is Phase.OPEN and now >= self.open_until:
            self._enter(Phase.HALF_OPEN, now)
        if self.phase is Phase.HALF_OPEN:
            if self.is_probing:
                return None
            self.is_probing = True
            return True
        return False

    def record_success(self, now: float, began: float, *, is_probe: bool = False) -> None:
        if is_probe:
            self.is_probing = False
        if self.phase is Phase.CLOSED:
            if self.consecutive:
                self.consecutive = 0
                self._consecutive_by_tenant.clear()
            self._outcomes.record_success(now)
            if not self.is_unrestricted:
                self._end_slow_start(now)
        elif self.phase is Phase.OPEN and began >= self.since:  # called although open, because all were
            self._enter(Phase.HALF_OPEN, now)
            self._on_good_probe(now)
        elif is_probe or (self.phase is Phase.OPEN and self.is_hinted):  # it fails only for others
            self._on_good_probe(now)

    def record_failure(
        self,
        now: float,
        began: float,
        reason: str = "",
        *,
        is_probe: bool = False,
        tenant_id: int = 0,
        needs_confirmation: bool = False,
    ) -> None:
        """`tenant_id`: of the call. `needs_confirmation`: the credential may be wrong; the second tenant proves it."""
        if is_probe:
            self.is_probing = False
            if self.phase is Phase.HALF_OPEN:
                if tenant_id and self._failed_probe_tenant in (0, tenant_id):
                    self._failed_probe_tenant = tenant_id  # the next probe is another tenant's
                else:
                    self._open(now, reason)
        elif (
            self.phase is Phase.CLOSED and began >= self.since
        ):  # a call from before it last closed is outdated
            self.consecutive += 1
            affected_tenants.add(self._consecutive_by_tenant, tenant_id)
            self._outcomes.record_failure(now, tenant_id)
            if self._is_confirmed(needs_confirmation=needs_confirmation) or self._fails_often(now):
                self._open(now, reason)

    @property
    def affects_several_tenants(self) -> bool:
        """Whether calls of more than one tenant failed since the last success."""
        return affected_tenants.failures_of_others(self._consecutive_by_tenant) > 0

    def _is_confirmed(self, *, needs_confirmation: bool) -> bool:
        """Whether enough consecutive calls failed, and not those of one tenant alone."""
        most, others = (
            self._policy.consecutive,
            affected_tenants.failures_of_others(self._consecutive_by_tenant),
        )
        if needs_confirmation and others:
            return True
        return self.consecutive >= most and others >= affected_tenants.needed_of_others(most)

    def release_probe(self, *, is_probe: bool = False) -> None:
        """End a call that is no evidence about the deployment: the client disconnected, or its request was invalid."""
        if is_probe:
            self.is_probing = False

    def trip(self, now: float, reason: str) -> None:
        """Open at once."""
        if self.phase is not Phase.OPEN:
            self._open(now, reason)

    def on_hint_open(self, now: float, seconds: float, reason: str) -> None:
        """Open on another process's hint, unless this process has better evidence, and never for long."""
        if self.phase is not Phase.CLOSED or now < self.ignore_hints_until or seconds <= 0:
            return
        self.open_until = now + min(seconds, LONGEST_HINT_S, self._policy.longest_open_s)
        self.reason, self.ramp_since = reason, None
        self._enter(Phase.OPEN, now)
        self.is_hinted = True

    def on_hint_cooldown(self, now: float, seconds: float) -> None:
        """Take over another process's cooldown; the provider's Retry-After holds for every user of the credential."""
        if seconds > 0:
            self.is_unrestricted = False
            longest = self._policy.longest_cool_s * (1.0 + COOL_JITTER)
            self.cool_until = max(self.cool_until, now + min(seconds, longest))

    def on_hint_closed(self, now: float) -> None:
        """It serves another process again: close with a slow start, or probe now if this process saw failures."""
        if self.phase is Phase.OPEN:
            self.open_until = min(self.open_until, now)
            if self.is_hinted:
                self._close(now)

    def start_cooldown(self, now: float, seconds: float | None) -> None:
        """Start a cooldown; None: the provider gave no time, so other deployments only go first for a moment."""
        self.is_unrestricted = False
        jitter = 1.0 + COOL_JITTER * self._dice()
        if seconds is None:
            self.soft_until = max(self.soft_until, now + SOFT_COOL_S * jitter)
        else:
            self.cool_until = max(self.cool_until, now + min(seconds, self._policy.longest_cool_s) * jitter)

    def _open(self, now: float, reason: str) -> None:
        policy = self._policy
        if self.phase is Phase.CLOSED and now - self.since >= policy.good_s:
            self.openings = 0
        self.openings += 1
        low, high = OPEN_JITTER
        rest = min(policy.longest_open_s, policy.first_open_s * 2.0 ** min(self.openings - 1, 30))
        self.open_until = now + rest * (low + (high - low) * self._dice())
        self.reason, self.ramp_since = reason, None
        self.is_hinted, self.ignore_hints_until = False, float("-inf")
        self._enter(Phase.OPEN, now)

    def _on_good_probe(self, now: float) -> None:
        self.good_probes += 1
        if self.good_probes >= self._policy.successes:
            if self.is_hinted:
                self.ignore_hints_until = now + IGNORE_HINTS_S
            self._close(now)

    def _close(self, now: float) -> None:
        self._enter(Phase.CLOSED, now)
        self.is_hinted, self.ramp_since = False, now
        self._outcomes.reset()

    def _enter(self, phase: Phase, now: float) -> None:
        self.phase, self.since = phase, now
        self.is_unrestricted = self.is_probing = False
        self.consecutive = self.good_probes = self._failed_probe_tenant = 0
        self._consecutive_by_tenant.clear()

    def _end_slow_start(self, now: float) -> None:
        if self.share(now) >= 1.0 and not self.is_cooling_down(now):
            self.ramp_since, self.is_unrestricted = None, True

    def counts(self, now: float) -> tuple[int, int]:
        """Return the calls that were judged in the last ten seconds, and how many of them failed."""
        return self._outcomes.counts(now)

    def failures_by_tenant(self, now: float) -> dict[int, int]:
        """Return the failures of the last ten seconds by tenant."""
        return self._outcomes.failures_by_tenant(now)

    def _fails_often(self, now: float) -> bool:
        policy = self._policy
        samples, failures = self._outcomes.counts(now)
        if samples < policy.samples or failures < policy.ratio * samples:
            return False
        by_tenant = self._outcomes.failures_by_tenant(now)
        largest, others = (
            affected_tenants.most_affected(by_tenant)[1],
            affected_tenants.failures_of_others(by_tenant),
        )
        return others >= affected_tenants.needed_of_others(policy.consecutive) and others >= policy.ratio * (
            samples - largest
        )
