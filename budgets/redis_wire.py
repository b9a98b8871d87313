"""One socket to Redis. Commands of one turn of the loop leave in one write; replies are matched by their order.

A cancelled command keeps its place in the order, so its reply can never reach another caller. A command that is not
answered in time, and anything that is not RESP3, ends the socket and everything that waits on it. About 9 us a call.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import hiredis
from typing_extensions import override

SECOND_LOOK_S = 0.002  # a busy loop may run its timers before it reads what has long arrived
_NOTHING = object()


class Unreachable(Exception):
    """The store did not answer, or not in time. Whether it has done what it was asked is not known."""


class Refused(Exception):
    """The store answered with an error: its text."""


class Wire(asyncio.Protocol):
    """Made by the loop for each connection; used once."""

    def __init__(
        self, timeout_s: float, on_message: Callable[[str], None], on_lost: Callable[[Wire, int], None]
    ) -> None:
        self._timeout_s, self._on_message, self._on_lost = timeout_s, on_message, on_lost
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(notEnoughData=_NOTHING, protocolError=Unreachable, replyError=Refused)
        self._waiting: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._unsent: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._late: asyncio.Future[Any] | None = None
        self.is_lost = False

    def send(self, *command: str | bytes | int) -> asyncio.Future[Any]:
        """Put the command into the write of this turn. The future raises Unreachable or Refused."""
        future: asyncio.Future[Any] = self._loop.create_future()
        if self.is_lost:
            future.set_exception(Unreachable())
            return future
        self.tell(*command)
        self._waiting.append((future, self._loop.time() + self._timeout_s))
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout_s, self._look)
        return future

    def tell(self, *command: str | bytes | int) -> None:
        """Send what has no reply of its own (SUBSCRIBE)."""
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(hiredis.pack_command(cast("tuple[Any]", command)))

    def drop(self) -> None:
        """End the socket; everything that waits gets Unreachable."""
        if self.is_lost:
            return
        self.is_lost = True
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        lost = len(self._waiting)
        for future, _ in self._waiting:
            if not future.done():
                future.set_exception(Unreachable())
        self._waiting.clear()
        self._on_lost(self, lost)

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.drop()

    @override
    def data_received(self, data: bytes) -> None:
        if self.is_lost:
            return
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _NOTHING:
                self._take(reply)
        except (
            Unreachable,
            IndexError,
        ):  # not RESP, or a reply to nothing: whose is whose is not known any more
            self.drop()

    def _take(self, reply: Any) -> None:
        if isinstance(reply, hiredis.PushNotification):
            if reply and reply[0] == b"message":
                self._on_message(reply[2].decode())
            return
        future, _ = self._waiting.popleft()
        if future.done():
            return
        if isinstance(reply, Refused):
            future.set_exception(reply)
        else:
            future.set_result(reply)

    def _flush(self) -> None:
        if self._transport is not None and not self.is_lost:
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def _look(self) -> None:
        """Is the oldest command too late? One timer for all of them."""
        self._timer = None
        if not self._waiting:
            return
        future, deadline = self._waiting[0]
        left = deadline - self._loop.time()
        if left <= 0 and self._late is future:
            self.drop()
            return
        if left <= 0:
            self._late, left = future, SECOND_LOOK_S
        self._timer = self._loop.call_later(left, self._look)
