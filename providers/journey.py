"""Whom a call tries next, and when it stops trying: the plan's order, the breakers' word and the retry budget."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from providers.failures import DeadlineExceeded, UpstreamBroken, UpstreamFailed, UpstreamTimeout
from providers.health import Health, Turn
from providers.plan import MAX_ATTEMPTS, Asker, Deadline, Plan, backoff_s
from providers.target import Target

_NOT_BEGUN = (503, 529)  # the provider says that it did no work
TIMER_S = 0.002  # a timer may fire this much early

Again = Callable[[], Awaitable[bool]]


class Journey:
    """One call on its way. `tried` is the number of attempts so far."""

    __slots__ = ("_budget", "_has_repeated", "_health", "_plan", "_queue", "tried")

    def __init__(self, plan: Plan, health: Health) -> None:
        self._plan, self._health = plan, health
        self._queue = deque(health.least_bad(plan.targets) if plan.is_panic else plan.targets)
        self._budget = health.budget(plan.targets[0].provider) if plan.targets else None
        self._has_repeated = False
        self.tried = 0

    def next(self) -> tuple[Target, Turn] | None:
        """Begin the next attempt, or say that there is none."""
        while self._queue:
            target = self._queue.popleft()
            if self.tried >= self._most(target):
                continue
            turn = self._health.start(target)
            if turn is None:
                continue
            if self._may_go():
                self.tried += 1
                return target, turn
            turn.let_go()
            break
        return None

    async def begin(
        self, asker: Asker, again: Again | None, failures: Sequence[UpstreamFailed]
    ) -> tuple[Target, Turn] | None:
        """Begin the next attempt: where the last one may be billed as well, there must be money for both."""
        step = None if asker.has_left else self.next()
        if step is None or again is None or not failures or not _may_cost(failures[-1]):
            return step
        may_go = False
        try:
            may_go = await again() and not asker.has_left
        finally:
            if not may_go:
                step[1].let_go()
        return step if may_go else None

    def failed(self, target: Target, failure: UpstreamFailed) -> float:
        """Plan on after a failure; return how long to wait first: only before the same deployment is asked again."""
        if not failure.retryable:
            self._queue = deque(self._plan.after(failure))
        elif not self._queue and not self._plan.is_panic and (_is_safe(failure) or self._may_repeat(failure)):
            self._queue.append(target)
            return backoff_s(self.tried) if self.tried < MAX_ATTEMPTS else 0.0
        return 0.0

    def _may_repeat(self, failure: UpstreamFailed) -> bool:
        """Once, what a kept connection lost that most likely had been closed before."""
        is_stale = isinstance(failure, UpstreamBroken) and failure.is_stale and not self._has_repeated
        self._has_repeated = self._has_repeated or is_stale
        return is_stale

    def _most(self, target: Target) -> int:
        """Another alias gets one try beyond those of the one asked for, however many deployments that one has."""
        return MAX_ATTEMPTS + (target.alias != self._plan.targets[0].alias)

    def _may_go(self) -> bool:
        budget = self._budget
        if budget is None:
            return False
        if self._plan.is_panic:
            return self.tried == 0 and budget.spend_floor(self._health.clock())
        if self.tried == 0:
            return True
        if budget.spend(self._health.clock()):
            return True
        self._health.watch.overflowed(self._plan.targets[0].provider)
        return False


def _is_safe(failure: UpstreamFailed) -> bool:
    """Whether the same deployment may be asked again: it saw nothing, or says that it did nothing."""
    return not failure.reached or failure.status in _NOT_BEGUN


def _may_cost(failure: UpstreamFailed) -> bool:
    """Whether its provider may bill it: it said what it used, or was reached and gave no status of its own."""
    return failure.usage is not None or (failure.reached and failure.status is None)


def judge(failure: UpstreamFailed, turn: Turn, deadline: Deadline | None) -> UpstreamFailed:
    """Tell the breaker; a deadline that the client chose says nothing about the deployment."""
    told = in_time(failure, deadline)
    is_ours = isinstance(told, DeadlineExceeded) and (
        told is failure or (deadline is not None and deadline.is_clients)
    )
    if not is_ours:
        turn.failed(failure)
    turn.let_go()
    return told


def in_time(failure: UpstreamFailed, deadline: Deadline | None) -> UpstreamFailed:
    """Return the failure, or that the whole call's time was over when that is what ended the attempt."""
    if deadline is None or not isinstance(failure, UpstreamTimeout):
        return failure
    if time.perf_counter() < deadline.at - TIMER_S:
        return failure
    return DeadlineExceeded(deadline.seconds, reached=failure.reached)
