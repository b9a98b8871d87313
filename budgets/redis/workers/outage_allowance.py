"""What this worker may still grant while Redis is away: money it set aside in good times, and its share of the rates.

The least of 1 % of the limit, one dollar, and half of this worker's share of what is left. It is subtracted from what
others may spend, so what is spent of it is inside the budget, but it is not held: no call runs on it. It is worth
something for two minutes and renewed each half; Redis keeps it for as long again as a call is held that nobody renews,
because calls may run on it. A call that needs it takes it back: from whoever answers, and from the dead (`bury`).
Below a cent it is not worth having: small budgets wait for Redis.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from budgets.admission.interface import (
    AdmissionRequest,
    AdmissionUnavailable,
    Grant,
    Limits,
    ScopeRules,
    WindowKey,
    WindowTotal,
)
from budgets.local.admission import LocalAdmission
from budgets.redis.recovery.recovery import Run
from budgets.redis.scope_request import ScopeRequest, scope_request
from budgets.redis.workers.worker_registry import SILENT_S, WorkerRegistry

MOST_NANOUSD = 1_000_000_000
LEAST_NANOUSD = 10_000_000
YIELD_S, YIELD_WAIT_S = 0.02, 0.3  # between two looks at what was given back; in all
RENEW_S = 60.0
VALID_S = 120.0
KEPT_S = int(SILENT_S)  # valid, and then as long as the hold of a call that gives no sign of life
IDLE_S = 180.0
ASK_S = 0.05


class OutageAllowance:
    """Of one scope. `left` is what may be granted of it; `until` is when it ends (loop time)."""

    __slots__ = ("asked_at", "left", "renew_at", "rules", "tag", "turn", "until", "used_at")

    def __init__(self, tag: str, rules: ScopeRules, now: float) -> None:
        self.tag, self.rules, self.used_at = tag, rules, now
        self.left, self.until, self.renew_at = 0, 0.0, now
        self.turn = 0  # of the commands that change it in Redis: only the newest one's answer counts
        self.asked_at = 0.0  # when the other workers were asked to give theirs back


class Spent(NamedTuple):
    """What a call was granted, and out of which allowances, at which turn of theirs."""

    hold: int
    of: list[tuple[OutageAllowance, int]]


class OutageAllowances:
    """Of all scopes with a budget that this worker saw lately, and the calls that were granted out of them."""

    def __init__(
        self,
        run: Run,
        peers: WorkerRegistry,
        is_buried: Callable[[str], Awaitable[bool]],
        tell_all: Callable[[], Awaitable[None]],
    ) -> None:
        self._run, self._peers, self._is_buried, self._tell_all = run, peers, is_buried, tell_all
        self._granted = self._told = (
            0  # how many calls were granted here; how many of them Redis has heard of
        )
        self._loop = asyncio.get_running_loop()
        self._of: dict[str, OutageAllowance] = {}
        self._spent: dict[str, Spent | None] = {}  # by running call; None: Redis has taken it over
        self._rates = LocalAdmission(_nothing_spent)

    def record(self, want: ScopeRequest) -> None:
        """Remember that these scopes are in use."""
        now = self._loop.time()
        for rules in want.scopes:
            if rules.budgets:
                allowance = self._of.get(rules.scope)
                if allowance is None:
                    allowance = self._of[rules.scope] = OutageAllowance(want.tag, rules, now)
                allowance.rules, allowance.used_at = rules, now

    async def renew(self, instant: float) -> None:
        """Set aside what is due. Raises Unreachable."""
        now = self._loop.time()
        for scope, allowance in list(self._of.items()):
            if allowance.used_at + IDLE_S < now:
                await self._reserve(allowance, instant, 0)
                self._of.pop(scope, None)
            elif allowance.renew_at <= now:
                await self._reserve(allowance, instant, self._peers.workers)

    async def release_scopes(self, scopes: Sequence[str], instant: float) -> None:
        """Give back what was set aside for these. Raises Unreachable."""
        for scope in scopes:
            allowance = self._of.get(scope)
            if allowance is not None:
                await self._reserve(allowance, instant, 0)

    async def reclaim(self, want: ScopeRequest, holders: Sequence[str], instant: float) -> list[str]:
        """Free what these workers set aside, as far as that is known to be safe; return whom to ask: scopes.

        Nothing is done, and nobody needs to be asked, when that was just begun by another call. Raises Unreachable.
        """
        now = self._loop.time()
        scopes = [rules for rules in want.scopes if rules.budgets]
        of = [self._of.setdefault(r.scope, OutageAllowance(want.tag, r, now)) for r in scopes]
        if all(now < allowance.asked_at + ASK_S for allowance in of):
            return []
        for allowance in of:
            allowance.asked_at = now
        for holder in dict.fromkeys(holders):
            if holder != self._peers.worker and await self._is_buried(holder):
                for allowance in of:
                    await self._free(holder, allowance, instant)
        names = [rules.scope for rules in scopes]
        await self.release_scopes(names, instant)
        return names if set(holders) - {self._peers.worker} else []

    def left(self) -> dict[str, list[Any]]:
        """Return what may still be granted, by tag: scope, amount, scope, amount."""
        found: dict[str, list[Any]] = {}
        for scope, allowance in self._of.items():
            if allowance.left > 0 and allowance.until > self._loop.time():
                found.setdefault(allowance.tag, []).extend((scope, allowance.left))
        return found

    @property
    def has_some(self) -> bool:
        now = self._loop.time()
        return any(each.left > 0 and each.until > now for each in list(self._of.values()))  # from any thread

    def renew_all(self) -> None:
        """Everything is due now."""
        for allowance in self._of.values():
            allowance.renew_at = 0.0

    async def release(self, instant: float) -> None:
        """Give everything back. Raises Unreachable."""
        await self.release_scopes(list(self._of), instant)

    def void(self, tag: str) -> None:
        """Redis has lost what it held for this tenant: nothing is set aside any more."""
        for allowance in self._of.values():
            if allowance.tag == tag:
                allowance.left, allowance.renew_at = 0, self._loop.time()
                allowance.turn += 1

    async def admit(self, ask: AdmissionRequest) -> Grant:
        """Grant out of what was set aside. Raises RateRefused, AdmissionUnavailable."""
        now = self._loop.time()
        bound = [rules.scope for rules in ask.scopes if rules.budgets] if ask.hold_nanousd else []
        of = [self._of.get(scope) for scope in bound]
        for allowance in of:
            if allowance is None or allowance.until <= now or allowance.left < ask.hold_nanousd:
                raise AdmissionUnavailable
        share = tuple(
            ScopeRules(rules.scope, _share(rules.limits, self._peers.workers)) for rules in ask.scopes
        )
        grant = await self._rates.admit(msgspec.structs.replace(ask, scopes=share, hold_nanousd=0))
        if ask.request_id not in self._spent:
            self._granted += 1
            self._spent[ask.request_id] = spent = Spent(ask.hold_nanousd, [])
            for allowance in of:
                if allowance is not None:
                    allowance.left -= ask.hold_nanousd
                    spent.of.append((allowance, allowance.turn))
        return grant

    async def settle(self, request_id: str, tokens: int, cost: int) -> None:
        """Free what a call granted here did not spend, of what it was granted out of: that may be void by now."""
        spent = self._spent.pop(request_id, None)
        await self._rates.settle(request_id, tokens, 0)
        if spent is None:
            return
        for allowance, turn in spent.of:
            if allowance.turn == turn:
                allowance.left = max(0, allowance.left + spent.hold - cost)

    async def renew_leases(self, request_ids: Sequence[str]) -> None:
        await self._rates.renew([each for each in request_ids if each in self._spent])

    def confirm(self, request_id: str) -> None:
        """Redis holds this call itself now, so what it does not spend comes back there."""
        if request_id in self._spent:
            self._spent[request_id] = None

    async def _reserve(self, allowance: OutageAllowance, instant: float, workers: int) -> None:
        now = self._loop.time()
        allowance.turn += 1
        turn = allowance.turn
        allowance.left, allowance.renew_at = 0, now + RENEW_S
        if (granted := self._granted) > self._told:  # what was spent of it must be counted before it is free
            await self._tell_all()
            self._told = max(self._told, granted)
        amount = await self._free(self._peers.worker, allowance, instant, workers)
        if allowance.turn == turn:
            allowance.left, allowance.until = amount, now + VALID_S

    async def _free(self, worker: str, allowance: OutageAllowance, instant: float, workers: int = 0) -> int:
        """Give back what the worker set aside; then, unless `workers` is 0, set aside anew and return how much."""
        packed = scope_request((allowance.rules,), instant).packed
        arguments = [worker, KEPT_S, workers, MOST_NANOUSD, LEAST_NANOUSD, packed]
        reply = await self._run("reserve", allowance.tag, arguments)
        amount: int = reply.detail[0]
        return amount


def _share(limits: Limits, workers: int) -> Limits:
    """Return a worker's part of the rates; at least one call and one token of each."""
    return Limits(
        *(
            None if limit is None else max(1, limit // workers)
            for limit in (limits.requests_per_minute, limits.tokens_per_minute, limits.parallel_requests)
        )
    )


async def _nothing_spent(keys: Sequence[WindowKey]) -> list[WindowTotal]:
    return [WindowTotal(key, 0, 0) for key in keys]
