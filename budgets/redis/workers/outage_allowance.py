"""What this worker may grant while Redis is unreachable: money set aside before, and its share of the rates.

The allowance is the least of 1 % of the limit, one dollar, and half of this worker's share of what is left. It is
subtracted from what others may spend, so what is spent of it is inside the budget, but it is not held: no call runs on
it. It is valid for two minutes and renewed every minute; Redis keeps it 150 s longer, like the hold of a call that is
not renewed, because calls may run on it. A call that needs the money takes it back: from workers that answer, and
from ended ones (DeadWorkers). Less than a cent is not set aside: small budgets wait for Redis.
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
from budgets.redis.commands import SET_ASIDE, Run
from budgets.redis.scope_request import ScopeRequest, scope_request
from budgets.redis.workers.worker_registry import SILENT_S, WorkerRegistry

MOST_NANOUSD = 1_000_000_000
LEAST_NANOUSD = 10_000_000
YIELD_S, YIELD_WAIT_S = 0.02, 0.3  # between two checks of what was given back; in total
RENEW_S = 60.0
VALID_S = 120.0
KEPT_S = int(SILENT_S)  # its validity, and then as long as the hold of a call that is not renewed
IDLE_S = 180.0
ASK_S = 0.05


class OutageAllowance:
    """One per scope. `left` may still be granted (nano-USD); it ends at `until` (loop time)."""

    __slots__ = ("asked_at", "left", "renew_at", "rules", "tag", "turn", "until", "used_at")

    def __init__(self, tag: str, rules: ScopeRules, now: float) -> None:
        self.tag, self.rules, self.used_at = tag, rules, now
        self.left, self.until, self.renew_at = 0, 0.0, now
        self.turn = 0  # number of the newest command that changes it in Redis: only its reply counts
        self.asked_at = 0.0  # when the other workers were asked to give theirs back


class Spent(NamedTuple):
    """The hold of a call, and the allowances it was granted from, each with its `turn`."""

    hold: int
    of: list[tuple[OutageAllowance, int]]


class OutageAllowances:
    """The allowances of all recently used scopes with a budget, and the calls that were granted from them."""

    def __init__(
        self,
        run: Run,
        peers: WorkerRegistry,
        is_released: Callable[[str], Awaitable[bool]],
        publish: Callable[[], Awaitable[None]],
    ) -> None:
        self._run, self._peers, self._is_released, self._publish = run, peers, is_released, publish
        self._granted = self._reported = (
            0  # how many calls were granted here; how many of them Redis has received
        )
        self._loop = asyncio.get_running_loop()
        self._of: dict[str, OutageAllowance] = {}
        self._spent: dict[str, Spent | None] = {}  # by running call; None: Redis holds the call itself
        self._rates = LocalAdmission(_nothing_spent)

    def record(self, want: ScopeRequest) -> None:
        """Note that these scopes are in use."""
        now = self._loop.time()
        for rules in want.scopes:
            if rules.budgets:
                allowance = self._of.get(rules.scope)
                if allowance is None:
                    allowance = self._of[rules.scope] = OutageAllowance(want.tag, rules, now)
                allowance.rules, allowance.used_at = rules, now

    async def renew(self, instant: float) -> None:
        """Renew the allowances that are due. Raises Unreachable."""
        now = self._loop.time()
        for scope, allowance in list(self._of.items()):
            if allowance.used_at + IDLE_S < now:
                await self._reserve(allowance, instant, 0)
                self._of.pop(scope, None)
            elif allowance.renew_at <= now:
                await self._reserve(allowance, instant, self._peers.workers)

    async def release_scopes(self, scopes: Sequence[str], instant: float) -> None:
        """Give back the allowances of these scopes. Raises Unreachable."""
        for scope in scopes:
            allowance = self._of.get(scope)
            if allowance is not None:
                await self._reserve(allowance, instant, 0)

    async def reclaim(self, want: ScopeRequest, holders: Sequence[str], instant: float) -> list[str]:
        """Free the allowances of ended holders and of this worker; return the scopes that others must give back.

        Does nothing, and returns no scopes, when another call began this within ASK_S. Raises Unreachable.
        """
        now = self._loop.time()
        scopes = [rules for rules in want.scopes if rules.budgets]
        of = [self._of.setdefault(r.scope, OutageAllowance(want.tag, r, now)) for r in scopes]
        if all(now < allowance.asked_at + ASK_S for allowance in of):
            return []
        for allowance in of:
            allowance.asked_at = now
        for holder in dict.fromkeys(holders):
            if holder != self._peers.worker and await self._is_released(holder):
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
        return any(each.left > 0 and each.until > now for each in list(self._of.values()))  # thread-safe

    def renew_all(self) -> None:
        """Make every allowance due now."""
        for allowance in self._of.values():
            allowance.renew_at = 0.0

    async def release(self, instant: float) -> None:
        """Give all allowances back. Raises Unreachable."""
        await self.release_scopes(list(self._of), instant)

    def void(self, tag: str) -> None:
        """Void the allowances of this tenant: Redis has lost them."""
        for allowance in self._of.values():
            if allowance.tag == tag:
                allowance.left, allowance.renew_at = 0, self._loop.time()
                allowance.turn += 1

    async def admit(self, ask: AdmissionRequest) -> Grant:
        """Grant from the allowances. Raises RateRefused, AdmissionUnavailable."""
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
        """Return what a call granted here did not spend to its allowances; they may be void by now."""
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
        """Redis holds this call itself now, so its unspent part is freed there."""
        if request_id in self._spent:
            self._spent[request_id] = None

    async def _reserve(self, allowance: OutageAllowance, instant: float, workers: int) -> None:
        now = self._loop.time()
        allowance.turn += 1
        turn = allowance.turn
        allowance.left, allowance.renew_at = 0, now + RENEW_S
        if (
            granted := self._granted
        ) > self._reported:  # what was spent must be counted before it is given back
            await self._publish()
            self._reported = max(self._reported, granted)
        amount = await self._free(self._peers.worker, allowance, instant, workers)
        if allowance.turn == turn:
            allowance.left, allowance.until = amount, now + VALID_S

    async def _free(self, worker: str, allowance: OutageAllowance, instant: float, workers: int = 0) -> int:
        """Give back the worker's allowance; then, unless `workers` is 0, set a new one aside. Return its amount."""
        packed = scope_request((allowance.rules,), instant).packed
        arguments = [worker, KEPT_S, workers, MOST_NANOUSD, LEAST_NANOUSD, packed]
        return (await self._run(SET_ASIDE, allowance.tag, arguments)).nanousd


def _share(limits: Limits, workers: int) -> Limits:
    """Return one worker's share of the rates; each limit is at least 1."""
    return Limits(
        *(
            None if limit is None else max(1, limit // workers)
            for limit in (limits.requests_per_minute, limits.tokens_per_minute, limits.parallel_requests)
        )
    )


async def _nothing_spent(keys: Sequence[WindowKey]) -> list[WindowTotal]:
    return [WindowTotal(key, 0, 0) for key in keys]
