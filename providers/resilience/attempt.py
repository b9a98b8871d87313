"""One attempt at one deployment, and how what became of it moves the breakers: whose fault it was decides.

Where the fault may be of what one tenant asked, the deployment rests for that tenant; for everybody it rests once calls
of others fail too, or where there is no doubt: a 401, an account without money, the provider's own wish (Retry-After).
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

LONGEST_TOLD_S: Final = 120.0  # nobody stays away for longer, whatever a provider says


class DeploymentAttempt:
    """One attempt at one deployment: exactly one verdict, and exactly one end of being in flight."""

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
        """The deployment showed content."""
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
            for own in entry.own.values():  # whose probe had failed may look again at once
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
        """Judge a failure: some open the breaker, a 429 cools it, a client's own error says nothing."""
        judge(self._health, self._entry, self, failure)
        self.is_probe = self.is_own_probe = False

    def release(self) -> None:
        """Nothing was learned: the client left, or its own deadline passed."""
        self.give_back()
        self.finish()

    def give_back(self) -> None:
        """Let another call be the probe that this one was."""
        self._entry.breaker.let_go(is_probe=self.is_probe)
        if self.is_own_probe and (own := self._entry.own.get(self.who)) is not None:
            own.let_go(is_probe=True)
        self.is_probe = self.is_own_probe = False

    def finish(self) -> None:
        """The call is no longer in flight. May be called more than once."""
        if self._is_in_flight:
            self._is_in_flight = False
            self._entry.in_flight -= 1
            self._bulkhead.give(self.who)


def judge(
    health: DeploymentHealth, entry: DeploymentState, turn: DeploymentAttempt, failure: UpstreamFailed
) -> None:
    """Move the breakers by what went wrong, and tell the failure how long this deployment rests."""
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
            "provider %s refused the %s of deployment %s (%s): it is not used for a while",
            entry.target.provider,
            fault,
            entry.target.name,
            failure.reason,
        )
    health.publish_hint(entry, before, now)
    health.notify(entry, now)


def _cool(
    health: DeploymentHealth, entry: DeploymentState, who: int, failure: UpstreamFailed, now: float
) -> None:
    """Stay away as long as the provider asks: for this tenant, whose prompt may have been larger than all that a minute
    allows; for everybody once a call of another tenant is limited too.
    """
    is_alone = bool(who) and not entry.is_limited_for_others(who, now)
    breaker = entry.own_of(who) if is_alone else entry.breaker
    breaker.cool(now, failure.retry_after_s)
    entry.note_limited(who, max(breaker.cool_until, breaker.soft_until))
    if failure.retry_after_s and failure.retry_after_s > LONGEST_TOLD_S:
        failure.retry_after_s = max(breaker.cool_until - now, 1.0)  # as everybody else is told
    if is_alone and failure.retry_after_s:
        health.watch.learned(HealthHint(entry.target.id, "cool", breaker.cool_until - now, tenant_id=who))


def _count(
    health: DeploymentHealth,
    entry: DeploymentState,
    turn: DeploymentAttempt,
    failure: UpstreamFailed,
    now: float,
) -> None:
    """Count what may be the deployment's fault: for the tenant that saw it, and for all if others see it too."""
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
            its_own.trip(now, reason)  # the next one that looks for everybody is another tenant's
        if its_own.phase is Phase.OPEN and before is not Phase.OPEN:
            health.rests_for(entry, who, now)
    elif turn.is_own_probe:
        entry.own_of(who).let_go(is_probe=True)
    if failure.retry_after_s:
        (breaker if breaker.has_witnesses else its_own).cool(now, failure.retry_after_s)
