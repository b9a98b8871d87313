"""Which connections may stay open: those of callers with a key before strangers, and no address may take all of them.

A stranger is a connection on which no key was accepted yet. While there is room every connection is admitted. An
address with too many strangers loses those that wait longest; when connections are scarce, the longest waiting of all
is closed too, before any is refused. A connection whose key was accepted costs nothing more here until it closes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Protocol

from tenants.addresses import origin

logger = logging.getLogger(__name__)

SCARCE, PLENTY = 0.8, 0.5  # of the maximum that may be open
GRACE_S = 1.0  # a client that got a response without a key may send another request at once
FIRST_S = 5.0  # a client in a crowd may be slow with its first request: as long as its head may take
EXAMINED = 64  # strangers of one address that are examined when another one connects
MOST = 12_000
PER_ADDRESS = 256


class Connection(Protocol):
    """A counted connection. It reports when it waits for its client, and has a method to end it."""

    @property
    def is_known(self) -> bool:
        """Whether a key was accepted on it."""
        ...

    @property
    def idle_until(self) -> float | None:
        """When its keep-alive ends; None while it is busy."""
        ...

    @property
    def has_unread(self) -> bool:
        """Whether its client has sent bytes that this process has not read yet: then the delay is not the client's."""
        ...

    def end(self) -> None:
        """Close it now."""
        ...


class ConnectionLimits:
    """Of one process. `on_closed` gets the reason when a connection is ended or refused; `clock` is the loop's;
    `is_proxy` recognizes the addresses of trusted proxies.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        on_closed: Callable[[str], None],
        *,
        max_connections: int = MOST,
        per_address: int = PER_ADDRESS,
        is_proxy: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._clock, self._on_closed, self._is_proxy = clock, on_closed, is_proxy
        self._max_connections, self._per_address = max_connections, per_address
        self._strangers: dict[str, dict[Connection, None]] = {}  # by address; the longest waiting first
        # Strangers, and since when; the longest waiting first.
        self._waiting: dict[Connection, float] = {}
        self._addresses: dict[Connection, str] = {}  # of strangers
        self._fresh: set[Connection] = set()  # strangers that have not sent a request yet
        self._known: dict[Connection, None] = {}
        self._has_warned = False

    def __len__(self) -> int:
        return len(self._addresses) + len(self._known)

    def admit(self, connection: Connection, address: str) -> bool:
        """Admit a new connection, and end another one for it if needed. False: there is no place.

        Connections of trusted proxies count for no address, and as callers' from the start.
        """
        counted = "" if self._is_proxy(address) else origin(address)
        is_scarce = self._is_scarce()
        if counted:
            self._make_room_for(counted, is_scarce=is_scarce)
        if is_scarce:
            self._end_longest_waiting(self._waiting, "scarce")
        if len(self) >= self._max_connections and not self._end_idle_caller():
            self._on_closed("refused")
            return False
        if counted:
            self._addresses[connection] = counted
            self._strangers.setdefault(counted, {})
            self._fresh.add(connection)
            self.set_waiting(connection)
        else:
            self._known[connection] = None
        return True

    def is_stranger(self, connection: Connection) -> bool:
        return connection in self._addresses

    def set_waiting(self, connection: Connection) -> None:
        """Record that nothing can be done for this stranger until its client sends more."""
        address = self._addresses.get(connection)
        if address is not None:
            self._waiting.pop(connection, None)  # to the end of both orders
            self._waiting[connection] = self._clock()
            self._strangers[address].pop(connection, None)
            self._strangers[address][connection] = None

    def set_working(self, connection: Connection) -> None:
        """Record that a complete request of it is being served."""
        self._waiting.pop(connection, None)
        self._fresh.discard(connection)

    def set_known(self, connection: Connection) -> None:
        """Record that a key was accepted on it: it is no longer a stranger."""
        if self._remove_stranger(connection):
            self._known[connection] = None

    def remove(self, connection: Connection) -> None:
        """Record that it is closed. May be called more than once."""
        self._remove_stranger(connection)
        self._known.pop(connection, None)

    def _is_scarce(self) -> bool:
        is_scarce = len(self) >= SCARCE * self._max_connections
        if is_scarce and not self._has_warned:
            logger.warning(
                "connections.scarce", extra={"connections": len(self), "limit": self._max_connections}
            )
            self._has_warned = True
        elif len(self) < PLENTY * self._max_connections:
            self._has_warned = False
        return is_scarce

    def _make_room_for(self, address: str, *, is_scarce: bool) -> None:
        strangers = self._strangers.get(address, {})
        if len(strangers) < self._per_address:
            return
        if is_scarce:
            self._end_longest_waiting(strangers, "address")
            return
        now = self._clock()
        for connection in tuple(islice(strangers, EXAMINED)):
            if connection.is_known:
                self.set_known(connection)
            elif self._is_idle(connection, now) and not connection.has_unread:
                self._end(connection, "address")
                return

    def _is_idle(self, connection: Connection, now: float) -> bool:
        since = self._waiting.get(connection)
        return since is not None and now - since >= (FIRST_S if connection in self._fresh else GRACE_S)

    def _end_longest_waiting(self, among: Iterable[Connection], reason: str) -> None:
        for connection in tuple(among):
            if connection.is_known:  # its first response with a key is still being sent
                self.set_known(connection)
            elif connection in self._waiting and not connection.has_unread:
                self._end(connection, reason)
                return

    def _end_idle_caller(self) -> bool:
        """End the caller's connection that has been idle longest: the last resort, when no stranger can be ended."""
        idle = [(each.idle_until, each) for each in self._known]
        waiting = [(until, number) for number, (until, _) in enumerate(idle) if until is not None]
        if not waiting:
            return False
        self._end(idle[min(waiting)[1]][1], "full")
        return True

    def _end(self, connection: Connection, reason: str) -> None:
        self.remove(connection)
        self._on_closed(reason)
        connection.end()

    def _remove_stranger(self, connection: Connection) -> bool:
        self._waiting.pop(connection, None)
        self._fresh.discard(connection)
        address = self._addresses.pop(connection, None)
        if address is None:
            return False
        strangers = self._strangers[address]
        strangers.pop(connection, None)
        if not strangers:
            del self._strangers[address]
        return True
