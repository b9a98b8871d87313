"""Which other workers are alive, by what they say on the channel; and who has told again what it holds.

Who has to be waited for does not depend on who was heard: the database names every worker that may have been granted
anything (gateway/supervisor/worker_rows.py). A worker is waited for until it says goodbye, until its death is
proven, or until it was silent for 270 s. What it runs may cost money as long as that. Who was born in the present
life of the data has nothing to tell of a tenant that was not started in it before, and is not waited for then. Costs
one message a second and worker.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

PRESENT_S = 5.0  # who was heard of within it shares in the rates and in what is set aside
SILENT_S = 270.0  # as long as what a silent worker has set aside is kept for it (outage_allowance.py)

Members = Callable[
    [], Awaitable[Mapping[str, str]]
]  # workers by name, and in which life of the data they were born


async def no_other_worker() -> Mapping[str, str]:
    return {}


class WorkerRegistry:
    """As this worker sees them."""

    def __init__(self, worker: str, members: Members = no_other_worker) -> None:
        self.worker, self.workers = worker, 1
        self._members = members
        self._heard: dict[str, float] = {}
        self._born: dict[str, str] = {}  # in which life of the data
        self._gone: set[str] = set()  # and not heard again since
        self._ended: set[str] = set()  # for good: no process ever has the name of another
        self._told: dict[str, set[str]] = {}
        self._changed = asyncio.Event()

    def seen(self, worker: str, life: str = "") -> bool:
        """Note that it lives, and in which life of the data it was born; True if that is news."""
        if worker in self._ended:  # said again by somebody else: the dead do not speak
            return False
        is_new = worker not in self._heard and worker != self.worker
        self._gone.discard(worker)
        self._born[worker] = life
        self._heard[worker] = asyncio.get_running_loop().time()
        self._count()
        return is_new

    def seen_all(self) -> None:
        """Begin to wait anew for a sign of life of each, after a time when nobody could be heard."""
        self._heard = dict.fromkeys(self._heard, asyncio.get_running_loop().time())

    async def learn(self) -> None:
        """Wait for all whom the database names. Raises what it raises."""
        self.know(await self._members())

    def lost(self, members: Mapping[str, str]) -> set[str]:
        """Return those of them that nobody waits for any more; the others are waited for from now on."""
        self.know(members)
        return self._gone & members.keys()

    def know(self, members: Mapping[str, str]) -> None:
        """Wait for these too, although they may never have been heard."""
        now = asyncio.get_running_loop().time()
        for worker in members.keys() - self._heard.keys() - self._gone - {self.worker}:
            self._heard[worker], self._born[worker] = now - PRESENT_S, members[worker]

    def remove(self, worker: str) -> None:
        """Wait for it no longer: it has said goodbye, or its death is proven."""
        self._gone.add(worker)
        self._ended.add(worker)
        self._heard.pop(worker, None)
        self._born.pop(worker, None)
        self._count()
        self._changed.set()

    def refresh(self) -> None:
        """Forget the silent ones. Only while connected: without Redis nobody can be heard."""
        now = asyncio.get_running_loop().time()
        self._gone |= {worker for worker, at in self._heard.items() if now - at >= SILENT_S}
        self._heard = {worker: at for worker, at in self._heard.items() if worker not in self._gone}
        self._born = {worker: life for worker, life in self._born.items() if worker in self._heard}
        self._count()

    def start_roll_call(self, token: str) -> None:
        """Begin to note who has told what it holds, in answer to the question of this name."""
        self._told[token] = set()

    def forget(self, token: str) -> None:
        self._told.pop(token, None)

    def acknowledge(self, token: str, worker: str) -> None:
        if token in self._told:
            self._told[token].add(worker)
            self._changed.set()

    async def change(self, seconds: float) -> None:
        """Wait for news, so long at most."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def missing(self, token: str, life: str | None) -> set[str]:
        """Return those alive who have not told yet, and may hold what was lost before this life; None: or in it."""
        older = {worker for worker in self._heard if self._born[worker] != life}
        return {*older, self.worker} - self._told[token]

    def _count(self) -> None:
        now = asyncio.get_running_loop().time()
        self.workers = len(
            {worker for worker, at in self._heard.items() if now - at < PRESENT_S} | {self.worker}
        )
