"""Recovers a tenant after Redis has lost its data: the ledger has what was spent, the workers what they hold.

One recovery at a time per tenant, over all workers. Nothing is admitted until every worker that may hold something
(worker_registry.py) has resent it; workers that do not answer are asked repeatedly. The ledger is read after that: a
call that a worker does not resend because the ledger has it is then found there. Callers wait a second at most.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import assert_never

from budgets.admission.interface import AdmissionUnavailable
from budgets.local.window_cache import Load
from budgets.redis.client.channel import Channel
from budgets.redis.commands import BEGIN_RECOVERY, FINISH_RECOVERY, Run
from budgets.redis.recovery.scope_tenants import ScopeTenants
from budgets.redis.replies import AlreadyOpen, Begun, Locked
from budgets.redis.rows import PostRow
from budgets.redis.scope_request import ScopeRequest
from budgets.redis.workers.worker_registry import WorkerRegistry
from gateway.values.single_flight import SingleFlight

LOCK_MS = 5000
WAIT_S = 4.5  # less than the lock: a worker that is silent for longer is waited for in another recovery
USUAL_S = 0.5
ANOTHERS_S = 0.01
ASK_AGAIN_S = 0.2
LOOK_AGAIN_S = 1.0

StandIn = Callable[[str, Sequence[str]], Awaitable[Collection[str]]]


class Recovery:
    """The recoveries that this worker runs."""

    def __init__(
        self,
        channel: Channel,
        run: Run,
        load: Load,
        peers: WorkerRegistry,
        owners: ScopeTenants,
        is_released: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._channel, self._run, self._load, self._peers = channel, run, load, peers
        self._owners, self._is_released = owners, is_released
        self.stand_in: StandIn = _no_workers
        self._running: SingleFlight[str, None] = SingleFlight()
        self._began: dict[str, float] = {}

    async def wait(self, want: ScopeRequest, deadline: float) -> None:
        """Return when the tenant is open again. Raises AdmissionUnavailable at the deadline (loop time); where no
        budget binds, already USUAL_S after the recovery began.
        """
        now, tag = asyncio.get_running_loop().time(), want.tag
        if tag not in self._running:
            self._began[tag] = now
        if not want.bounds:
            deadline = min(deadline, self._began.get(tag, now) + USUAL_S)
        try:
            await self._running.run(tag, partial(self._recover, want), max(0.0, deadline - now))
        except Exception as failure:
            raise AdmissionUnavailable from failure  # any error of the ledger or of Redis means "unknown"

    async def aclose(self) -> None:
        await self._running.aclose()

    async def _recover(self, want: ScopeRequest) -> None:
        token = uuid.uuid4().hex
        try:
            for _ in range(int(LOCK_MS / 1000 / ANOTHERS_S)):
                reply = await self._run(BEGIN_RECOVERY, want.tag, [token, LOCK_MS, want.packed])
                match reply:
                    case Begun():
                        await self._restore(want, token, reply.gen)
                        return
                    case AlreadyOpen():
                        return
                    case Locked():
                        await asyncio.sleep(ANOTHERS_S)
                    case _:
                        assert_never(reply)
        finally:
            self._began.pop(want.tag, None)
        raise AdmissionUnavailable

    async def _restore(self, want: ScopeRequest, token: str, gen: int) -> None:
        await self._owners.record(want)  # it was lost too, and is needed when the first total is posted
        self._peers.start_roll_call(token)
        try:
            await self._await_all_workers(want.tag, f"restore {want.tag} {token}", token)
        finally:
            self._peers.forget(token)
        keys = list(dict.fromkeys(bound.key for bound in want.bounds))
        posts = await self._load(keys) if keys else ()
        packed = [PostRow.of(post) for post in posts]
        await self._run(FINISH_RECOVERY, want.tag, [token, gen, packed])

    async def _await_all_workers(self, tag: str, question: str, token: str) -> None:
        """Return when every worker has resent what it holds. Raises AdmissionUnavailable, Unreachable, or what the
        database raises.

        A worker that has just reconnected missed the question, so missing ones are asked by name. A tenant that was
        already started in this data epoch has lost what was sent in it: then all workers are waited for.
        """
        peers, now = self._peers, asyncio.get_running_loop().time
        began = asked = now()
        look = began
        link = self._channel.connection
        is_known = not await link.call("HSET", link.life_key, tag, 1)
        life = None if is_known else await link.life()
        await self._channel.publish(question)
        await peers.learn()  # read now: a worker that comes later was never granted what is lost
        while missing := peers.missing(token, life):
            if now() >= began + WAIT_S:
                raise AdmissionUnavailable
            await peers.change(asked + ASK_AGAIN_S - now())
            if now() < asked + ASK_AGAIN_S:
                continue
            for worker in missing:
                if await self._is_released(worker):
                    peers.remove(worker)
            if now() >= look:  # after the recovery began, so that final reports are valid (final_report.py)
                look = now() + LOOK_AGAIN_S
                for worker in await self.stand_in(tag, sorted(missing - {peers.worker})):
                    peers.acknowledge(token, worker)
            asked, again = now(), " ".join((question, *missing))
            await self._channel.publish(again)


async def _no_workers(_: str, __: Sequence[str]) -> Collection[str]:
    return ()
