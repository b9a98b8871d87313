"""Reads of keys from the database: one for all requests with the same key, MOST at a time, none without a request.

A task that waits for a database thread delays all that need one, so the rest waits here; and a read is cancelled when
no request waits for it any longer: while the database hangs, queries do not pile up for later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from gateway.values.tasks import spawn
from tenants.errors import KeysUnavailable

MOST = 64
LOAD_S = 5.0  # how long a request waits for a read
TURN_S = 1.0  # how long a read waits for its turn; requests of a crowd end before those that hang time out

T = TypeVar("T")


class _Read(Generic[T]):
    def __init__(self, task: asyncio.Task[T]) -> None:
        self.task, self.waiting = task, 0


class SingleFlight(Generic[T]):
    """`load(prefix)` reads one key; it may raise KeysUnavailable. When cancelled, it drops what has not begun."""

    def __init__(self, load: Callable[[str], Awaitable[T]]) -> None:
        self._load = load
        self._places = asyncio.Semaphore(MOST)
        self._running: dict[str, _Read[T]] = {}

    def __len__(self) -> int:
        """How many reads can be joined."""
        return len(self._running)

    def __contains__(self, prefix: str) -> bool:
        return prefix in self._running

    async def read(self, prefix: str) -> T:
        """Return the key from the database. Raises KeysUnavailable, after LOAD_S at the latest."""
        read = self._running.get(prefix) or self._begin(prefix)
        read.waiting += 1
        try:
            done, _ = await asyncio.wait({read.task}, timeout=LOAD_S)
        finally:
            read.waiting -= 1
            if not read.waiting and not read.task.done():
                self._leave(prefix, read)
                read.task.cancel()
        if not done:
            raise KeysUnavailable
        return read.task.result()

    def forget(self) -> None:
        """Let no request join a read that has begun: it may return the state before a change."""
        self._running = {}

    def _begin(self, prefix: str) -> _Read[T]:
        read = self._running[prefix] = _Read(spawn(self._in_turn(prefix)))
        read.task.add_done_callback(lambda _: self._ended(prefix, read))
        return read

    async def _in_turn(self, prefix: str) -> T:
        try:
            async with asyncio.timeout(TURN_S):
                await self._places.acquire()
        except TimeoutError as error:
            raise KeysUnavailable from error
        try:
            return await self._load(prefix)
        finally:
            self._places.release()

    def _ended(self, prefix: str, read: _Read[T]) -> None:
        self._leave(prefix, read)
        if not read.task.cancelled():
            read.task.exception()  # the waiting requests have it; perhaps the last one left just now

    def _leave(self, prefix: str, read: _Read[T]) -> None:
        if self._running.get(prefix) is read:
            del self._running[prefix]
