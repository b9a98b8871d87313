"""Detects a disconnected client while its connection is not read: it has sent data ahead that has to wait, or it has
closed its sending side and may still want its response.

The end of a connection is queued behind the unread bytes, so a loop that does not read never sees it. The kernel does:
it is polled twice a second, and only while a call runs whose connection is not read. After a half-close only the close
of the other side is a disconnect (docs/decisions/0020).
"""

from __future__ import annotations

import asyncio
import fcntl
import select
import struct
import termios
from collections.abc import Callable
from typing import Final

POLL_S: Final = 0.5
RESET: Final = select.POLLHUP | select.POLLERR
DISCONNECTED: Final = getattr(select, "POLLRDHUP", 0) | RESET


class ClientDisconnectWatch:
    """For one connection. `events` returns the poll events that mean a disconnect; 0: the reader notices it."""

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, events: Callable[[], int]
    ) -> None:
        self._transport, self._loop, self._events = transport, loop, events
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """Start polling. May be called when already started."""
        if self._timer is None:
            self._timer = self._loop.call_later(POLL_S, self._poll)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _poll(self) -> None:
        self._timer = self._loop.call_later(POLL_S, self._poll)
        events = self._events()
        if events and self._has_event(events):
            self.stop()
            self._transport.abort()

    def _has_event(self, events: int) -> bool:
        connection = self._transport.get_extra_info("socket")
        if connection is None or connection.fileno() < 0:
            return False
        poller = select.poll()
        poller.register(connection.fileno(), events)
        return bool(poller.poll(0))


def unread_bytes(transport: asyncio.BaseTransport) -> int:
    """Return how many bytes of a client the kernel holds that this process has not read yet (FIONREAD)."""
    connection = transport.get_extra_info("socket")
    if connection is None or connection.fileno() < 0:
        return 0
    (count,) = struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.FIONREAD, struct.pack("i", 0)))
    return int(count)
