"""Which prefixes exist, read only while strangers guess: so that a caller with a key is not refused because of them.

Prefixes are public. Nothing is read until an address has guessed too often; then all are, once, and after that only
those of newer keys: one query for all requests, at most one in PACE_S. So a key created a moment ago, by any process,
is known in time, and a guess costs the database no query of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from gateway.values.single_flight import SingleFlight
from tenants.errors import KeysUnavailable

PACE_S = 0.25
READ_S = 5.0
OVERLAP = 1000  # keys created at the same time need not appear in the order of their ids


class KnownPrefixes:
    """`load(after)` returns id and prefix of the keys with a higher id; it may raise KeysUnavailable."""

    def __init__(
        self, load: Callable[[int], Awaitable[Iterable[tuple[int, str]]]], pace_s: float = PACE_S
    ) -> None:
        self._load, self._pace_s = load, pace_s
        self._known: set[str] = set()
        self._newest = 0
        self._turn = asyncio.Lock()
        self._next: SingleFlight[None, None] = SingleFlight()
        self._last = float("-inf")

    async def has(self, prefix: str) -> bool:
        """Return whether such a key exists now. Raises KeysUnavailable."""
        if prefix not in self._known:
            await self._look_again()
        return prefix in self._known

    async def _look_again(self) -> None:
        """Wait for a read that begins from now on; all requests that wait meanwhile share it."""
        await self._next.run(None, self._read)

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        async with self._turn:
            await asyncio.sleep(max(0.0, self._last + self._pace_s - loop.time()))
            self._next.forget()  # a later request needs a later read
            try:
                async with asyncio.timeout(READ_S):
                    found = await self._load(max(0, self._newest - OVERLAP))
            except TimeoutError:
                raise KeysUnavailable from None
            finally:
                self._last = loop.time()
            for number, prefix in found:
                self._known.add(prefix)
                self._newest = max(self._newest, number)
