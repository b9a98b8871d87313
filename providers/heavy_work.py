"""Where the work on large bodies and answers is done: beside the calls, in turns, so that it never holds up the loop.

Two kinds. Scans go forward in slices of a millisecond or two, between which everybody else has a turn: what reads JSON
keeps the interpreter's lock, so a thread would hold up the loop all the same. Hashing and compressing let go of the
lock, so they have threads. Of each tenant one piece of work is done at a time, of all AT_ONCE; the rest waits in line.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

T = TypeVar("T")
AT_ONCE: Final = 2


class HeavyWork:
    """One for a process. `waiting` is how many pieces of work wait or run."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="heavy")
        self._lines: dict[int, asyncio.Lock] = {}
        self._in_line: dict[int, int] = {}
        self.waiting = 0

    def share(self, tenant_id: int) -> Share:
        return Share(self, tenant_id)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    @asynccontextmanager
    async def turn(self, tenant_id: int) -> AsyncIterator[None]:
        """Wait for the tenant's own line first, so that it takes one of the places at most."""
        line = self._lines.setdefault(tenant_id, asyncio.Lock())
        self._in_line[tenant_id] = self._in_line.get(tenant_id, 0) + 1
        self.waiting += 1
        try:
            async with line, self._places:
                yield
        finally:
            self.waiting -= 1
            self._in_line[tenant_id] -= 1
            if not self._in_line[tenant_id]:
                del self._in_line[tenant_id], self._lines[tenant_id]

    async def in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)


class Share:
    """What one tenant has of it."""

    __slots__ = ("_room", "_tenant_id")

    def __init__(self, room: HeavyWork, tenant_id: int) -> None:
        self._room, self._tenant_id = room, tenant_id

    async def run(self, steps: Generator[None, None, T]) -> T:
        """Do the steps, with a turn for everybody else between any two; return what they return."""
        async with self._room.turn(self._tenant_id):
            while True:
                try:
                    next(steps)
                except StopIteration as done:
                    result: T = done.value
                    return result
                await asyncio.sleep(0)

    async def in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run what lets go of the interpreter's lock."""
        async with self._room.turn(self._tenant_id):
            return await self._room.in_thread(work, *arguments)
