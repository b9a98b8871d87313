"""Which other workers are alive, by their messages on the channel; and which ones have answered a roll-call.

Which workers a roll-call waits for does not depend on received messages: the database names every worker that may have
been granted anything (gateway/supervisor/worker_rows.py). A worker is waited for until it publishes "leave", until its
end is proven, or until it was silent for 270 s: its calls may cost money for that long. A worker that was born in the
present data epoch holds nothing of a tenant that was not started in it before, and is not waited for then. Costs one
message a second and worker.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

PRESENT_S = 5.0  # a worker seen within it has a share of the rates and of the outage allowances
SILENT_S = 270.0  # as long as Redis keeps a silent worker's outage allowance (outage_allowance.py)

Members = Callable[
    [], Awaitable[Mapping[str, str]]
]  # workers by name, with the data epoch in which they were born


async def no_other_worker() -> Mapping[str, str]:
    return {}


class WorkerRegistry:
    """The workers as this one knows them."""

    def __init__(self, worker: str, members: Members = no_other_worker) -> None:
        self.worker, self.workers = worker, 1
        self._members = members
        self._last_seen: dict[str, float] = {}
        self._born: dict[str, str] = {}  # data epoch by worker
        self._gone: set[str] = set()  # and not seen since
        self._ended: set[str] = set()  # for ever: no process ever has the name of another
        self._reports: dict[str, set[str]] = {}
        self._changed = asyncio.Event()

    def seen(self, worker: str, life: str = "") -> bool:
        """Note that it is alive, and the data epoch of its birth; return whether it is new."""
        if worker in self._ended:  # a replayed message: ended workers send none
            return False
        is_new = worker not in self._last_seen and worker != self.worker
        self._gone.discard(worker)
        self._born[worker] = life
        self._last_seen[worker] = asyncio.get_running_loop().time()
        self._count()
        return is_new

    def seen_all(self) -> None:
        """Restart the silence timer of each, after a time in which no message could arrive."""
        self._last_seen = dict.fromkeys(self._last_seen, asyncio.get_running_loop().time())

    async def learn(self) -> None:
        """Wait for every worker that the database names. Raises what the database raises."""
        self.know(await self._members())

    def lost(self, members: Mapping[str, str]) -> set[str]:
        """Return those that are no longer waited for; wait for the others from now on."""
        self.know(members)
        return self._gone & members.keys()

    def know(self, members: Mapping[str, str]) -> None:
        """Wait for these too, although none of their messages may ever have arrived."""
        now = asyncio.get_running_loop().time()
        for worker in members.keys() - self._last_seen.keys() - self._gone - {self.worker}:
            self._last_seen[worker], self._born[worker] = now - PRESENT_S, members[worker]

    def remove(self, worker: str) -> None:
        """Stop waiting for it: it has published "leave", or its end is proven."""
        self._gone.add(worker)
        self._ended.add(worker)
        self._last_seen.pop(worker, None)
        self._born.pop(worker, None)
        self._count()
        self._changed.set()

    def refresh(self) -> None:
        """Drop the silent ones. Only while connected: without Redis no message arrives."""
        now = asyncio.get_running_loop().time()
        self._gone |= {worker for worker, at in self._last_seen.items() if now - at >= SILENT_S}
        self._last_seen = {worker: at for worker, at in self._last_seen.items() if worker not in self._gone}
        self._born = {worker: life for worker, life in self._born.items() if worker in self._last_seen}
        self._count()

    def start_roll_call(self, token: str) -> None:
        """Begin to note which workers answer the roll-call of this token."""
        self._reports[token] = set()

    def forget(self, token: str) -> None:
        self._reports.pop(token, None)

    def acknowledge(self, token: str, worker: str) -> None:
        if token in self._reports:
            self._reports[token].add(worker)
            self._changed.set()

    async def change(self, seconds: float) -> None:
        """Wait for a change, at most this long."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def missing(self, token: str, life: str | None) -> set[str]:
        """Return the live workers that have not answered, except those born in data epoch `life`; None: all of them."""
        older = {worker for worker in self._last_seen if self._born[worker] != life}
        return {*older, self.worker} - self._reports[token]

    def _count(self) -> None:
        now = asyncio.get_running_loop().time()
        self.workers = len(
            {worker for worker, at in self._last_seen.items() if now - at < PRESENT_S} | {self.worker}
        )
