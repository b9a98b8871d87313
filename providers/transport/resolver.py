"""Resolves host names, cached and shared: a silent name server blocks one thread, and only the callers of that name.

Each lookup has a daemon thread: a lookup cannot be ended, and the process must not wait for it at exit. The loop's own
getaddrinfo is unsuitable: uvloop has four threads for it and queues connections to plain addresses behind names.
Cost: 1 us for a known name; one thread, for a moment, every NAMES_S.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

from aiohappyeyeballs import AddrInfoType

from providers.errors.exceptions import ConnectFailed

NAMES_S: Final = 10.0  # then a name is looked up again
OLD_S: Final = 300.0  # for so long after that its old addresses are used if the lookup hangs or fails
SOON_S: Final = 0.25  # most lookups end within this: time to notice that a name has moved
LOOKUPS: Final = 16  # concurrent, each of another name; further names are queued
_MAX_NAMES: Final = 1024

Name = tuple[str, int]
Addresses = Sequence[AddrInfoType]


class Resolver:
    """All callers of a name share one lookup; a canceled caller does not end it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._known: dict[Name, tuple[float, Addresses]] = {}
        self._lookups: dict[Name, asyncio.Future[Addresses]] = {}
        self._waiting: deque[Name] = deque()
        self._running = 0

    async def addresses(self, host: str, port: int) -> Addresses:
        """Return the addresses of a host; an IP address is its own. Raises OSError; the caller bounds the wait."""
        if _is_address(host):
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        name, now = (host, port), self._loop.time()
        until, known = self._known.get(name, (float("-inf"), ()))
        if now < until:
            return known
        is_usable = now < until + OLD_S
        lookup = self._lookups.get(name)
        if lookup is None:
            lookup = self._look_up(name)
        elif is_usable:
            return known  # only the first caller waits for it
        await asyncio.wait({lookup}, timeout=SOON_S if is_usable else None)
        if is_usable and (not lookup.done() or lookup.exception()):
            return known
        return lookup.result()

    def invalidate(self, host: str, port: int) -> None:
        """Look up a name again at its next use: no server accepted there, so it may have moved."""
        name = (host, port)
        if name in self._known:
            until, known = self._known[name]
            self._known[name] = (min(until, self._loop.time()), known)

    def close(self) -> None:
        """Fail all waiting callers; a hanging thread is left behind."""
        self._waiting.clear()
        for name in list(self._lookups):
            self._settle(name, ConnectFailed("the transport was closed"))

    def _look_up(self, name: Name) -> asyncio.Future[Addresses]:
        lookup = self._lookups[name] = self._loop.create_future()
        self._waiting.append(name)
        self._start()
        return lookup

    def _start(self) -> None:
        while self._waiting and self._running < LOOKUPS:
            name = self._waiting.popleft()
            try:
                threading.Thread(target=self._resolve, args=(name,), name="lookup", daemon=True).start()
            except RuntimeError as error:  # no thread available
                self._settle(name, error)
            else:
                self._running += 1

    def _resolve(self, name: Name) -> None:
        """Run in a thread."""
        outcome: Addresses | Exception
        try:
            outcome = socket.getaddrinfo(*name, type=socket.SOCK_STREAM)
        except Exception as error:  # noqa: BLE001 - every error is passed to the callers
            outcome = error
        with suppress(RuntimeError):  # the loop has closed meanwhile
            self._loop.call_soon_threadsafe(self._ended, name, outcome)

    def _ended(self, name: Name, outcome: Addresses | Exception) -> None:
        self._running -= 1
        self._settle(name, outcome)
        self._start()

    def _settle(self, name: Name, outcome: Addresses | Exception) -> None:
        lookup = self._lookups.pop(name, None)
        if lookup is None:
            return  # closed
        if isinstance(outcome, Exception):
            lookup.set_exception(outcome)
            lookup.exception()  # marks it as retrieved: all callers may have left
            return
        if len(self._known) >= _MAX_NAMES:
            self._known.clear()
        self._known[name] = (self._loop.time() + NAMES_S, outcome)
        lookup.set_result(outcome)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
