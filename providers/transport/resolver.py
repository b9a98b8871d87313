"""Resolves host names, cached and shared: a silent name server blocks one thread, and only the callers of that name.

Each lookup has a daemon thread: a lookup cannot be ended, and the process must not wait for it at exit. The loop's own
getaddrinfo is unsuitable: uvloop has four threads for it and queues connections to plain addresses behind names.
Cost: 1 us for a known name; one thread, for a moment, every NAMES_S.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from typing import Final

from aiohappyeyeballs import AddrInfoType
from cachetools import LRUCache

from gateway.values.fallback_log import FALLBACKS
from gateway.values.single_flight import SingleFlight
from providers.errors.exceptions import ConnectFailed

NAMES_S: Final = 10.0  # then a name is looked up again
OLD_S: Final = 300.0  # for so long after that its old addresses are used if the lookup hangs or fails
SOON_S: Final = 0.25  # most lookups end within this: time to notice that a name has moved
LOOKUPS: Final = 16  # concurrent, each of another name; further names are queued
_MAX_NAMES: Final = 1024

Name = tuple[str, int]
Addresses = Sequence[AddrInfoType]


class Resolver:
    """All callers of a name share one lookup; a cancelled caller does not end it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._known: LRUCache[Name, tuple[float, Addresses]] = LRUCache(_MAX_NAMES)
        self._lookups: SingleFlight[Name, Addresses] = SingleFlight()
        self._places = asyncio.Semaphore(LOOKUPS)
        self._in_threads: set[asyncio.Future[Addresses]] = set()
        self._is_closed = False

    async def addresses(self, host: str, port: int) -> Addresses:
        """Return the addresses of a host; an IP address is its own. Raises OSError; the caller bounds the wait."""
        if _is_address(host):
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        name, now = (host, port), self._loop.time()
        until, known = self._known.get(name, (float("-inf"), ()))
        if now < until:
            return known
        is_usable = now < until + OLD_S
        if is_usable and name in self._lookups:
            return known  # only the first caller waits for it
        try:
            return await self._lookups.run(name, partial(self._look_up, name), SOON_S if is_usable else None)
        except Exception as failure:
            if not is_usable:
                raise
            FALLBACKS.note("old_addresses", failure)  # the server may well be where it was
            return known

    def invalidate(self, host: str, port: int) -> None:
        """Look up a name again at its next use: no server accepted there, so it may have moved."""
        name = (host, port)
        if name in self._known:
            until, known = self._known[name]
            self._known[name] = (min(until, self._loop.time()), known)

    def close(self) -> None:
        """Fail all waiting callers; a hanging thread is left behind."""
        self._is_closed = True  # for those that wait for a place
        for outcome in self._in_threads:
            outcome.set_exception(_closed())
        self._in_threads.clear()

    async def _look_up(self, name: Name) -> Addresses:
        async with self._places:
            if self._is_closed:
                raise _closed()
            outcome: asyncio.Future[Addresses] = self._loop.create_future()
            thread = threading.Thread(target=self._resolve, args=(name, outcome), name="lookup", daemon=True)
            thread.start()  # RuntimeError: no thread available
            self._in_threads.add(outcome)
            found = await outcome
        self._known[name] = (self._loop.time() + NAMES_S, found)
        return found

    def _resolve(self, name: Name, outcome: asyncio.Future[Addresses]) -> None:
        """Run in a thread."""
        found: Addresses | Exception
        try:
            found = socket.getaddrinfo(*name, type=socket.SOCK_STREAM)
        except Exception as error:  # noqa: BLE001 - every error is passed to the callers
            found = error
        with suppress(RuntimeError):  # the loop has closed meanwhile
            self._loop.call_soon_threadsafe(self._on_resolved, outcome, found)

    def _on_resolved(self, outcome: asyncio.Future[Addresses], found: Addresses | Exception) -> None:
        self._in_threads.discard(outcome)
        if outcome.done():
            return  # closed
        if isinstance(found, Exception):
            outcome.set_exception(found)
        else:
            outcome.set_result(found)


def _closed() -> ConnectFailed:
    return ConnectFailed("the transport was closed")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
