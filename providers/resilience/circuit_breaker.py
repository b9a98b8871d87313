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
DEAF_S = 60.0  # after this process disproved such a hint, further ones are ignored for so long


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
    """`is_calm` is the fast path of the normal case: closed, at its full share, no cooldown."""

    __slots__ = (
        "_dice",
        "_doubted_by",
        "_policy",
        "_run",
        "_tally",
        "consecutive",
        "cool_until",
        "deaf_until",
        "good_probes",
        "is_calm",
        "is_hinted",
        "is_probing",
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
        self.deaf_until = float("-inf")
        self.is_probing = self.is_hinted = False  # hinted: only another process saw failures
        self.is_calm = True
        self._tally = OutcomeCounts()
        self._run: dict[int, int] = {}  # of the consecutive ones, by tenant
        self._doubted_by = 0  # the only tenant whose probe failed

    def rests(self, now: float) -> bool:
        """Whether no call should be sent now."""
        return not self.is_calm and (self.cools(now) or self.is_ejected(now))

    def cools(self, now: float) -> bool:
        """Whether the provider's cooldown still runs."""
        return now < self.cool_until

    def is_ejected(self, now: float) -> bool:
        """Whether failures eject it: open, or half-open with its one probe in flight."""
        if self.phase is Phase.OPEN:
            return now < self.open_until
        return self.phase is Phase.HALF_OPEN and self.is_probing

    def share(self, now: float) -> float:
        """The probability that a call is sent here at this deployment's turn; 0: only after the others."""
        if self.is_calm:
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
        if self.is_calm:
            return 1.0
        if self.phase is Phase.OPEN and now < self.open_until:
            return 0.0
        is_coming_back = self.phase is not Phase.CLOSED or self.share(now) < 1.0 or self.cools(now)
        return 0.5 if is_coming_back else 1.0

    def begin(self, now: float) -> bool | None:
        """Start a call: True: it is the probe, False: an ordinary call, None: it may not start."""
        if self.is_calm:
            return False
        if self.cools(now):
            return None
        if self.phase is Phase.OPEN and now >= self.open_until:
            self._enter(Phase.HALF_OPEN, now)
        if self.phase is Phase.HALF_OPEN:
            if self.is_probing:
                return None
            self.is_probing = True
            return True
        return False

    def succeeded(self, now: float, began: float, *, is_probe: bool = False) -> None:
        if is_probe:
            self.is_probing = False
        if self.phase is Phase.CLOSED:
            if self.consecutive:
                self.consecutive = 0
                self._run.clear()
            self._tally.succeeded(now)
            if not self.is_calm:
                self._calm_down(now)
        elif self.phase is Phase.OPEN and began >= self.since:  # called although open, because all were
            self._enter(Phase.HALF_OPEN, now)
            self._probe_was_good(now)
        elif is_probe or (self.phase is Phase.OPEN and self.is_hinted):  # it fails only for others
            self._probe_was_good(now)

    def failed(
        self,
        now: float,
        began: float,
        reason: str = "",
        *,
        is_probe: bool = False,
        who: int = 0,
        is_doubt: bool = False,
    ) -> None:
        """`who`: the tenant of the call. `is_doubt`: the credential may be wrong; the second tenant proves it."""
        if is_probe:
            self.is_probing = False
            if self.phase is Phase.HALF_OPEN:
                if who and self._doubted_by in (0, who):
                    self._doubted_by = who  # the next probe is another tenant's
                else:
                    self._open(now, reason)
        elif (
            self.phase is Phase.CLOSED and began >= self.since
        ):  # a call from before it last closed is outdated
            self.consecutive += 1
            affected_tenants.add(self._run, who)
            self._tally.failed(now, who)
            if self._is_proven(is_doubt=is_doubt) or self._fails_often(now):
                self._open(now, reason)

    @property
    def has_witnesses(self) -> bool:
        """Whether calls of more than one tenant failed since the last success."""
        return affected_tenants.others(self._run) > 0

    def _is_proven(self, *, is_doubt: bool) -> bool:
        """Whether enough consecutive calls failed, and not those of one tenant alone."""
        most, others = self._policy.consecutive, affected_tenants.others(self._run)
        if is_doubt and others:
            return True
        return self.consecutive >= most and others >= affected_tenants.need(most)

    def let_go(self, *, is_probe: bool = False) -> None:
        """End a call that is no evidence about the deployment: the client disconnected, or its request was invalid."""
        if is_probe:
            self.is_probing = False

    def trip(self, now: float, reason: str) -> None:
        """Open at once."""
        if self.phase is not Phase.OPEN:
            self._open(now, reason)

    def hear_open(self, now: float, seconds: float, reason: str) -> None:
        """Open on another process's hint, unless this process has better evidence, and never for long."""
        if self.phase is not Phase.CLOSED or now < self.deaf_until or seconds <= 0:
            return
        self.open_until = now + min(seconds, LONGEST_HINT_S, self._policy.longest_open_s)
        self.reason, self.ramp_since = reason, None
        self._enter(Phase.OPEN, now)
        self.is_hinted = True

    def hear_cool(self, now: float, seconds: float) -> None:
        """Take over another process's cooldown; the provider's Retry-After holds for every user of the credential."""
        if seconds > 0:
            self.is_calm = False
            longest = self._policy.longest_cool_s * (1.0 + COOL_JITTER)
            self.cool_until = max(self.cool_until, now + min(seconds, longest))

    def hear_closed(self, now: float) -> None:
        """It serves another process again: close with a slow start, or probe now if this process saw failures."""
        if self.phase is Phase.OPEN:
            self.open_until = min(self.open_until, now)
            if self.is_hinted:
                self._close(now)

    def cool(self, now: float, seconds: float | None) -> None:
        """Start a cooldown; None: the provider gave no time, so other deployments only go first for a moment."""
        self.is_calm = False
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
        self.is_hinted, self.deaf_until = False, float("-inf")
        self._enter(Phase.OPEN, now)

    def _probe_was_good(self, now: float) -> None:
        self.good_probes += 1
        if self.good_probes >= self._policy.successes:
            if self.is_hinted:
                self.deaf_until = now + DEAF_S
            self._close(now)

    def _close(self, now: float) -> None:
        self._enter(Phase.CLOSED, now)
        self.is_hinted, self.ramp_since = False, now
        self._tally.forget()

    def _enter(self, phase: Phase, now: float) -> None:
        self.phase, self.since = phase, now
        self.is_calm = self.is_probing = False
        self.consecutive = self.good_probes = self._doubted_by = 0
        self._run.clear()

    def _calm_down(self, now: float) -> None:
        if self.share(now) >= 1.0 and not self.cools(now):
            self.ramp_since, self.is_calm = None, True

    def counts(self, now: float) -> tuple[int, int]:
        """Return the calls that were judged in the last ten seconds, and how many of them failed."""
        return self._tally.counts(now)

    def blamed(self, now: float) -> dict[int, int]:
        """Return the failures of the last ten seconds by tenant."""
        return self._tally.blamed(now)

    def _fails_often(self, now: float) -> bool:
        policy = self._policy
        samples, failures = self._tally.counts(now)
        if samples < policy.samples or failures < policy.ratio * samples:
            return False
        blamed = self._tally.blamed(now)
        main, others = affected_tenants.main_of(blamed)[1], affected_tenants.others(blamed)
        return others >= affected_tenants.need(policy.consecutive) and others >= policy.ratio * (
            samples - main
        )
