"""Which deployment a call tries next, and when it stops: the plan's order, circuit breakers and the retry budget."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from providers.errors.exceptions import DeadlineExceeded, UpstreamBroken, UpstreamFailed, UpstreamTimeout
from providers.errors.out_of_memory import OutOfMemory
from providers.resilience.attempt import DeploymentAttempt
from providers.resilience.health import DeploymentHealth
from providers.resilience.plan import MAX_ATTEMPTS, CallProgress, Deadline, Plan, backoff_s
from providers.target import Target

_NOT_BEGUN = (503, 529)  # the provider reports that it did no work
TIMER_S = 0.002  # a timer may fire this much early
WAIT_S = 1.0  # for the first outcome of an endpoint

RaiseHold = Callable[[], Awaitable[bool]]


class AttemptPlanner:
    """Plans the attempts of one call. `attempts` is the number of attempts so far."""

    __slots__ = ("_has_repeated", "_health", "_plan", "_progress", "_queue", "attempts")

    def __init__(self, plan: Plan, health: DeploymentHealth, progress: CallProgress | None = None) -> None:
        self._plan, self._health, self._progress = plan, health, progress or CallProgress()
        tenant_id = self._progress.tenant_id
        self._queue = deque(
            health.by_recovery_time(plan.targets, tenant_id) if plan.is_panic else plan.targets
        )
        self._has_repeated = False
        self.attempts = 0

    async def begin(
        self, raise_hold: RaiseHold | None, failures: Sequence[UpstreamFailed]
    ) -> tuple[Target, DeploymentAttempt] | None:
        """Begin the next attempt; None: there is none. If the last one may be billed too, `raise_hold` holds money."""
        if self._progress.client_disconnected:
            return None
        if not self.attempts and not self._plan.is_panic:
            return self._begin_first()
        step = await self._begin_further()
        if step is None:
            return None
        may_go = False
        try:
            is_paid = raise_hold is None or not failures or not _may_cost(failures[-1]) or await raise_hold()
            may_go = is_paid and not self._progress.client_disconnected
        finally:
            if not may_go:
                step[1].release()
        return step if may_go else None

    def _begin_first(self) -> tuple[Target, DeploymentAttempt] | None:
        """Begin the first attempt, which is not charged to a retry budget."""
        step = self._start_next()
        if step is not None:
            self.attempts = 1
        return step

    async def _begin_further(self) -> tuple[Target, DeploymentAttempt] | None:
        """Begin an attempt that the retry budgets allow; a burst waits for the first outcome of an unknown endpoint."""
        while (step := self._start_next()) is not None:
            may_go = self._is_allowed(step[0])
            if not may_go and self._is_worth_waiting(step[0]):
                may_go = await self._wait_for_first_outcome(step)
            if may_go:
                self.attempts += 1
                return step
            self._refuse(step)
        return None

    async def _wait_for_first_outcome(self, step: tuple[Target, DeploymentAttempt]) -> bool:
        try:
            await self._health.budget(step[0]).wait_for_outcome(self._wait_s())
        except BaseException:  # cancelled: its bulkhead slot is released
            step[1].release()
            raise
        return self._is_allowed(step[0])

    def _start_next(self) -> tuple[Target, DeploymentAttempt] | None:
        while self._queue:
            target = self._queue.popleft()
            if self.attempts and self.attempts >= self._max_attempts(target):
                continue
            attempt = self._health.start(target, self._progress.tenant_id)
            if attempt is not None:
                return target, attempt
        return None

    def _refuse(self, step: tuple[Target, DeploymentAttempt]) -> None:
        step[1].release()
        if not self._plan.is_panic:
            self._health.watch.on_retry_refused(step[0].provider)

    def _is_worth_waiting(self, target: Target) -> bool:
        return not self._plan.is_panic and self._health.budget(target).is_unknown

    def _wait_s(self) -> float:
        deadline = self._plan.deadline
        return WAIT_S if deadline is None else max(0.0, min(WAIT_S, deadline.at - time.perf_counter()))

    def failed(self, target: Target, failure: UpstreamFailed) -> float:
        """Plan on after a failure; return the backoff, which is 0 unless the same deployment is called again."""
        if not failure.retryable or (not self._queue and failure.fallback_reason):
            self._queue = deque(self._plan.after(failure))
        elif not self._queue and not self._plan.is_panic and (_is_safe(failure) or self._may_repeat(failure)):
            self._queue.append(target)
            return backoff_s(self.attempts) if self.attempts < MAX_ATTEMPTS else 0.0
        return 0.0

    def _may_repeat(self, failure: UpstreamFailed) -> bool:
        """Allow one repeat after a kept connection broke that most likely had been closed before."""
        is_stale = isinstance(failure, UpstreamBroken) and failure.is_stale and not self._has_repeated
        self._has_repeated = self._has_repeated or is_stale
        return is_stale

    def _max_attempts(self, target: Target) -> int:
        """Allow a fallback alias one attempt beyond the requested alias's, however many deployments that one has."""
        return MAX_ATTEMPTS + (target.alias != self._plan.targets[0].alias)

    def _is_allowed(self, target: Target) -> bool:
        """Whether the retry budget of the target's endpoint allows this attempt."""
        if self.attempts == 0 and not self._plan.is_panic:
            return True
        budget, now = self._health.budget(target), self._health.clock()
        if self._plan.is_panic:
            return self.attempts == 0 and budget.spend_floor(now)
        return budget.is_healthy(now) or budget.spend(now)


def _is_safe(failure: UpstreamFailed) -> bool:
    """Whether the same deployment may be called again: it received nothing, or reports that it did no work."""
    return not failure.reached or failure.status in _NOT_BEGUN


def _may_cost(failure: UpstreamFailed) -> bool:
    """Whether the provider may bill it: it reported usage, or was reached and sent no status of its own."""
    return failure.usage is not None or (failure.reached and failure.status is None)


def end_failed(
    failure: UpstreamFailed, attempt: DeploymentAttempt, deadline: Deadline | None
) -> UpstreamFailed:
    """Record the failure; a deadline that the client chose is no evidence about the deployment."""
    reported = or_deadline(failure, deadline)
    is_clients = deadline is not None and deadline.is_clients
    is_ours = isinstance(reported, OutOfMemory | DeadlineExceeded) and (reported is failure or is_clients)
    if not is_ours:
        attempt.record_failure(failure)
    attempt.release()
    return reported


def or_deadline(failure: UpstreamFailed, deadline: Deadline | None) -> UpstreamFailed:
    """Return the failure, or DeadlineExceeded if the whole call's deadline ended the attempt."""
    if deadline is None or not isinstance(failure, UpstreamTimeout):
        return failure
    if time.perf_counter() < deadline.at - TIMER_S:
        return failure
    return DeadlineExceeded(deadline.seconds, reached=failure.reached)
