"""Notices that a client has left although nobody reads from its connection: what it sent ahead has to wait, or it has
ended its own side and may still want its answer.

The end of a connection comes behind the bytes that wait, so a loop that does not read never hears of it. The kernel
knows: it is asked twice a second, and only while a call runs whose connection is not read. Behind the end of a side
only the end of the other one is news (docs/decisions/0020).
"""

from __future__ import annotations

import asyncio
import fcntl
import select
import struct
import termios
from collections.abc import Callable
from typing import Final

LOOK_S: Final = 0.5
HAS_RESET: Final = select.POLLHUP | select.POLLERR
HAS_LEFT: Final = getattr(select, "POLLRDHUP", 0) | HAS_RESET


class ClientDisconnectWatch:
    """Of one connection. `signs` tells what the kernel would say if the client had left; 0: who reads hears it."""

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, signs: Callable[[], int]
    ) -> None:
        self._transport, self._loop, self._signs = transport, loop, signs
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """Begin to look. May be called while that is done already."""
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK_S, self._look)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = self._loop.call_later(LOOK_S, self._look)
        signs = self._signs()
        if signs and self._shows(signs):
            self.stop()
            self._transport.abort()

    def _shows(self, signs: int) -> bool:
        connection = self._transport.get_extra_info("socket")
        if connection is None or connection.fileno() < 0:
            return False
        asked = select.poll()
        asked.register(connection.fileno(), signs)
        return bool(asked.poll(0))


def unread_bytes(transport: asyncio.BaseTransport) -> int:
    """Return how much the kernel holds of a client that this process has not read yet (FIONREAD)."""
    connection = transport.get_extra_info("socket")
    if connection is None or connection.fileno() < 0:
        return 0
    (count,) = struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.FIONREAD, struct.pack("i", 0)))
    return int(count)
