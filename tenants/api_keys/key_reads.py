"""Reads of keys from the database: one for all requests with the same key, MOST at a time, none without a request.

A task that waits for a database thread delays all that need one, so the rest waits here; and a read is cancelled when
no request waits for it any longer: while the database hangs, queries do not pile up for later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, TypeVar

from gateway.values.single_flight import SingleFlight
from tenants.errors import KeysUnavailable

MOST = 64
LOAD_S = 5.0  # how long a request waits for a read
TURN_S = 1.0  # how long a read waits for its turn; requests of a crowd end before those that hang time out

T = TypeVar("T")


class KeyReads(Generic[T]):
    """`load(prefix)` reads one key; it may raise KeysUnavailable. When cancelled, it drops what has not begun."""

    def __init__(self, load: Callable[[str], Awaitable[T]]) -> None:
        self._load = load
        self._places = asyncio.Semaphore(MOST)
        self._running: SingleFlight[str, T] = SingleFlight(cancel_unwaited=True)

    def __len__(self) -> int:
        """How many reads can be joined."""
        return len(self._running)

    def __contains__(self, prefix: str) -> bool:
        return prefix in self._running

    async def read(self, prefix: str) -> T:
        """Return the key from the database. Raises KeysUnavailable, after LOAD_S at the latest."""
        try:
            return await self._running.run(prefix, partial(self._in_turn, prefix), LOAD_S)
        except TimeoutError:
            raise KeysUnavailable from None

    def forget(self) -> None:
        """Let no request join a read that has begun: it may return the state before a change."""
        self._running.forget()

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
