"""Starts a tenant over after Redis has lost its data: the ledger says what was spent, the workers what they hold.

One rebuild at a time for each tenant, over all workers. Nothing is admitted against a budget until every worker that
is alive has told again what it holds; one that stays silent is given up after 0.8 s. Callers wait a second at most.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from budgets.admission import AdmissionUnavailable
from budgets.purses import Load
from budgets.redis_calls import Reply, Want, packed_post
from budgets.redis_connection import RedisConnection

SILENT_S = 0.8
LOCK_MS = 5000
ANOTHERS_S = 0.01
PEER_S = 5.0  # a worker that was not heard of for so long is not waited for

Run = Callable[[str, str, Sequence[Any]], Awaitable[Reply]]


class Peers:
    """Which other workers are alive, by what they say on the channel; and who has told what it holds."""

    def __init__(self, worker: str) -> None:
        self.worker = worker
        self.workers = 1
        self._seen: dict[str, float] = {}
        self._told: dict[str, set[str]] = {}
        self._changed = asyncio.Event()

    def hear(self, worker: str) -> None:
        self._seen[worker] = asyncio.get_running_loop().time()
        self._count()

    def part(self, worker: str) -> None:
        self._seen.pop(worker, None)
        self._count()

    def refresh(self) -> None:
        """Forget the silent ones. Only while connected: without Redis nobody can be heard."""
        now = asyncio.get_running_loop().time()
        self._seen = {worker: at for worker, at in self._seen.items() if now - at < PEER_S}
        self._count()

    def told(self, token: str, worker: str) -> None:
        if token in self._told:
            self._told[token].add(worker)
            self._changed.set()

    def expect(self, token: str) -> None:
        self._told[token] = set()

    async def wait_for_all(self, token: str, listeners: int) -> None:
        """Return when everyone alive has told, or was given up. `listeners`: how many got the question."""
        alive = {*self._seen, self.worker}
        try:
            async with asyncio.timeout(SILENT_S):
                while not (alive <= self._told[token] and len(self._told[token]) >= listeners):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            for worker in alive - self._told[token]:
                self.part(worker)
        finally:
            del self._told[token]

    def _count(self) -> None:
        self.workers = len(self._seen | {self.worker: 0.0})


class Rebuilds:
    """Those that this worker takes part in."""

    def __init__(self, connection: RedisConnection, run: Run, load: Load, peers: Peers) -> None:
        self._connection, self._run, self._load, self._peers = connection, run, load, peers
        self._tasks: dict[str, asyncio.Task[Exception | None]] = {}

    async def wait(self, want: Want, deadline: float) -> None:
        """Return when the tenant is open again. Raises AdmissionUnavailable at the deadline (loop time)."""
        task = self._tasks.get(want.tag)
        if task is None:
            task = self._tasks[want.tag] = asyncio.create_task(self._rebuild(want))
            task.add_done_callback(lambda _: self._tasks.pop(want.tag, None))
        left = deadline - asyncio.get_running_loop().time()
        done, _ = await asyncio.wait({task}, timeout=max(0.0, left))
        if not done:
            raise AdmissionUnavailable
        failure = task.result()
        if failure is not None:
            raise AdmissionUnavailable from failure

    async def aclose(self) -> None:
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _rebuild(self, want: Want) -> Exception | None:
        """Return instead of raise: those who wait may all have left."""
        token = uuid.uuid4().hex
        try:
            for _ in range(int(LOCK_MS / 1000 / ANOTHERS_S)):
                reply = await self._run("begin", want.tag, [token, LOCK_MS, want.packed])
                if reply.status == "begun":
                    await self._restore(want, token)
                    return None
                if reply.status == "open":
                    return None
                await asyncio.sleep(ANOTHERS_S)
        except Exception as failure:  # noqa: BLE001 - whatever the ledger or the store raises, the answer is "unknown"
            return failure
        return AdmissionUnavailable()

    async def _restore(self, want: Want, token: str) -> None:
        self._peers.expect(token)
        question = f"rehold {want.tag} {token}"
        listeners = await self._connection.call("PUBLISH", self._connection.channel, question)
        await self._peers.wait_for_all(token, listeners)
        keys = list(dict.fromkeys(bound.key for bound in want.bounds))
        posts = await self._load(keys) if keys else ()
        packed = [packed_post(post.window, post.spent_nanousd, post.version) for post in posts]
        await self._run("open", want.tag, [token, packed])
