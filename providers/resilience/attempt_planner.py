"""Which deployment a call tries next, and when it stops: the plan's order, circuit breakers and the retry budget."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from providers.errors.exceptions import DeadlineExceeded, UpstreamBroken, UpstreamFailed, UpstreamTimeout
from providers.errors.out_of_memory import NoRoom
from providers.resilience.attempt import DeploymentAttempt
from providers.resilience.health import DeploymentHealth
from providers.resilience.plan import MAX_ATTEMPTS, Asker, Deadline, Plan, backoff_s
from providers.target import Target

_NOT_BEGUN = (503, 529)  # the provider reports that it did no work
TIMER_S = 0.002  # a timer may fire this much early
WAIT_S = 1.0  # for the first outcome of an endpoint

Again = Callable[[], Awaitable[bool]]


class AttemptPlanner:
    """Plans the attempts of one call. `tried` is the number of attempts so far."""

    __slots__ = ("_asker", "_has_repeated", "_health", "_plan", "_queue", "tried")

    def __init__(self, plan: Plan, health: DeploymentHealth, asker: Asker | None = None) -> None:
        self._plan, self._health, self._asker = plan, health, asker or Asker()
        who = self._asker.tenant_id
        self._queue = deque(health.by_recovery_time(plan.targets, who) if plan.is_panic else plan.targets)
        self._has_repeated = False
        self.tried = 0

    async def begin(
        self, again: Again | None, failures: Sequence[UpstreamFailed]
    ) -> tuple[Target, DeploymentAttempt] | None:
        """Begin the next attempt; None: there is none. If the last one may be billed too, `again` holds money."""
        if self._asker.has_left:
            return None
        if not self.tried and not self._plan.is_panic:
            return self._first()
        step = await self._allowed()
        if step is None:
            return None
        may_go = False
        try:
            is_paid = again is None or not failures or not _may_cost(failures[-1]) or await again()
            may_go = is_paid and not self._asker.has_left
        finally:
            if not may_go:
                step[1].release()
        return step if may_go else None

    def _first(self) -> tuple[Target, DeploymentAttempt] | None:
        """Begin the first attempt, which is not charged to a retry budget."""
        step = self._begun()
        if step is not None:
            self.tried = 1
        return step

    async def _allowed(self) -> tuple[Target, DeploymentAttempt] | None:
        """Begin an attempt that the retry budgets allow; a burst waits for the first outcome of an unknown endpoint."""
        while (step := self._begun()) is not None:
            may_go = self._is_allowed(step[0])
            if not may_go and self._is_worth_waiting(step[0]):
                may_go = await self._after_its_first_word(step)
            if may_go:
                self.tried += 1
                return step
            self._refuse(step)
        return None

    async def _after_its_first_word(self, step: tuple[Target, DeploymentAttempt]) -> bool:
        try:
            await self._health.budget(step[0]).heard(self._patience())
        except BaseException:  # canceled: its bulkhead slot is released
            step[1].release()
            raise
        return self._is_allowed(step[0])

    def _begun(self) -> tuple[Target, DeploymentAttempt] | None:
        while self._queue:
            target = self._queue.popleft()
            if self.tried and self.tried >= self._most(target):
                continue
            turn = self._health.start(target, self._asker.tenant_id)
            if turn is not None:
                return target, turn
        return None

    def _refuse(self, step: tuple[Target, DeploymentAttempt]) -> None:
        step[1].release()
        if not self._plan.is_panic:
            self._health.watch.overflowed(step[0].provider)

    def _is_worth_waiting(self, target: Target) -> bool:
        return not self._plan.is_panic and self._health.budget(target).is_unknown

    def _patience(self) -> float:
        deadline = self._plan.deadline
        return WAIT_S if deadline is None else max(0.0, min(WAIT_S, deadline.at - time.perf_counter()))

    def failed(self, target: Target, failure: UpstreamFailed) -> float:
        """Plan on after a failure; return the backoff, which is 0 unless the same deployment is called again."""
        if not failure.retryable or (not self._queue and failure.why):
            self._queue = deque(self._plan.after(failure))
        elif not self._queue and not self._plan.is_panic and (_is_safe(failure) or self._may_repeat(failure)):
            self._queue.append(target)
            return backoff_s(self.tried) if self.tried < MAX_ATTEMPTS else 0.0
        return 0.0

    def _may_repeat(self, failure: UpstreamFailed) -> bool:
        """Allow one repeat after a kept connection broke that most likely had been closed before."""
        is_stale = isinstance(failure, UpstreamBroken) and failure.is_stale and not self._has_repeated
        self._has_repeated = self._has_repeated or is_stale
        return is_stale

    def _most(self, target: Target) -> int:
        """Allow a fallback alias one attempt beyond the requested alias's, however many deployments that one has."""
        return MAX_ATTEMPTS + (target.alias != self._plan.targets[0].alias)

    def _is_allowed(self, target: Target) -> bool:
        """Whether the retry budget of the target's endpoint allows this attempt."""
        if self.tried == 0 and not self._plan.is_panic:
            return True
        budget, now = self._health.budget(target), self._health.clock()
        if self._plan.is_panic:
            return self.tried == 0 and budget.spend_floor(now)
        return budget.is_well(now) or budget.spend(now)


def _is_safe(failure: UpstreamFailed) -> bool:
    """Whether the same deployment may be called again: it received nothing, or reports that it did no work."""
    return not failure.reached or failure.status in _NOT_BEGUN


def _may_cost(failure: UpstreamFailed) -> bool:
    """Whether the provider may bill it: it reported usage, or was reached and sent no status of its own."""
    return failure.usage is not None or (failure.reached and failure.status is None)


def judge(failure: UpstreamFailed, turn: DeploymentAttempt, deadline: Deadline | None) -> UpstreamFailed:
    """Record the failure; a deadline that the client chose is no evidence about the deployment."""
    told = in_time(failure, deadline)
    is_clients = deadline is not None and deadline.is_clients
    is_ours = isinstance(told, NoRoom | DeadlineExceeded) and (told is failure or is_clients)
    if not is_ours:
        turn.record_failure(failure)
    turn.release()
    return told


def in_time(failure: UpstreamFailed, deadline: Deadline | None) -> UpstreamFailed:
    """Return the failure, or DeadlineExceeded if the whole call's deadline ended the attempt."""
    if deadline is None or not isinstance(failure, UpstreamTimeout):
        return failure
    if time.perf_counter() < deadline.at - TIMER_S:
        return failure
    return DeadlineExceeded(deadline.seconds, reached=failure.reached)
