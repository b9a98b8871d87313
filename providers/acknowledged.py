"""Whether a question that a kept connection lost can have been read, by what the kernel knows (TCP_INFO of Linux).

A provider that closes an idle connection says so (FIN), and the kernel answers what comes too late with a reset,
unread. So a question was surely not read if the end came first, no byte of it was acknowledged, and then the
connection was reset. A reset alone proves nothing: its acknowledgement is not counted by the kernel that gets it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import Final, NamedTuple

_TCP_INFO: Final = getattr(socket, "TCP_INFO", 0)  # only Linux has what is read here
_SIZE: Final = 128
_read = struct.Struct("=B67xI48xQ").unpack_from  # linux/tcp.h: tcpi_state, tcpi_rtt (us), tcpi_bytes_acked
_ESTABLISHED, _CLOSED = 1, 7
_LEAST_S, _MOST_S = 0.1, 1.0  # to wait for the reset: it comes a round trip after the question


class Seen(NamedTuple):
    """Where a connection stands: `acked` counts the bytes that its other side has acknowledged so far."""

    state: int
    rtt_us: int
    acked: int

    @property
    def is_established(self) -> bool:
        return self.state == _ESTABLISHED


def look(sock: socket.socket) -> Seen | None:
    """Ask the kernel; None where it does not say. About 1.3 us."""
    if not _TCP_INFO:
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _SIZE)
    except OSError:  # closed by now, or no TCP
        return None
    return Seen(*_read(info)) if len(info) == _SIZE else None


class Footing:
    """How a kept connection stands with the kernel. `socket` is only asked about; whoever has begun calls `dismiss`."""

    __slots__ = ("_before", "_witness", "socket")

    def __init__(self) -> None:
        self.socket: socket.socket | None = None
        self._before: Seen | None = None  # the next question
        self._witness: socket.socket | None = None  # outlives the connection

    def is_ready(self) -> bool:
        """Tell whether the connection may be used, as far as the kernel knows by now; note where it stands."""
        self._before = look(self.socket) if self.socket is not None else None
        return self._before is None or self._before.is_established

    def hear_the_end(self) -> None:
        """The other side says no more: keep the socket until it is known what becomes of the question."""
        if self._before is not None and self.socket is not None and self.socket.fileno() >= 0:
            self._witness = socket.socket(fileno=os.dup(self.socket.fileno()))

    async def is_unread(self) -> bool:
        """Tell whether surely no byte of the question was read; False where the kernel does not say so in time."""
        if self._witness is None or self._before is None:
            return False
        loop = asyncio.get_running_loop()
        until = loop.time() + min(_MOST_S, _LEAST_S + 4 * self._before.rtt_us / 1e6)
        pause = 0.001
        while (seen := look(self._witness)) is not None and seen.acked == self._before.acked:
            if seen.state == _CLOSED:
                return True
            if loop.time() >= until:
                break
            await asyncio.sleep(pause)
            pause *= 2
        return False

    def dismiss(self) -> None:
        """Forget where it stood. May be called at any time."""
        witness, self._witness, self._before = self._witness, None, None
        if witness is not None:
            witness.close()
