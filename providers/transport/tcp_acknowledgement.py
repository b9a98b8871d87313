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
_STATE: Final = 0  # where tcpi_state lies (linux/tcp.h)
_read = struct.Struct("=B67xI48xQ").unpack_from  # tcpi_state, tcpi_rtt (us), tcpi_bytes_acked
_ESTABLISHED, _CLOSED = 1, 7
_LEAST_S, _MOST_S = 0.1, 1.0  # to wait for the reset: it comes a round trip after the question


class Seen(NamedTuple):
    """Where a connection stands: `acked` counts the bytes that its other side has acknowledged so far."""

    state: int
    rtt_us: int
    acked: int


def look(sock: socket.socket) -> Seen | None:
    """Ask the kernel; None where it does not say."""
    info = _info(sock)
    return Seen(*_read(info)) if info else None


def _info(sock: socket.socket) -> bytes:
    """Return what the kernel knows, b"" where it does not say. About 1.3 us."""
    if not _TCP_INFO:
        return b""
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _SIZE)
    except OSError:  # closed by now, or no TCP
        return b""
    return info if len(info) == _SIZE else b""


class Footing:
    """How a kept connection stands with the kernel. `socket` is only asked about; whoever has begun calls `dismiss`."""

    __slots__ = ("_before", "_witness", "socket")

    def __init__(self) -> None:
        self.socket: socket.socket | None = None
        self._before = b""  # the next question; read only when it was lost
        self._witness: socket.socket | None = None  # outlives the connection

    def is_ready(self) -> bool:
        """Tell whether the connection may be used, as far as the kernel knows by now; note where it stands."""
        self._before = info = _info(self.socket) if self.socket is not None else b""
        return not info or info[_STATE] == _ESTABLISHED

    def hear_the_end(self) -> None:
        """The other side says no more: keep the socket until it is known what becomes of the question."""
        if self._before and self.socket is not None and self.socket.fileno() >= 0:
            self._witness = socket.socket(fileno=os.dup(self.socket.fileno()))

    async def is_unread(self) -> bool:
        """Tell whether surely no byte of the question was read; False where the kernel does not say so in time."""
        if self._witness is None or not self._before:
            return False
        before = Seen(*_read(self._before))
        loop = asyncio.get_running_loop()
        until = loop.time() + min(_MOST_S, _LEAST_S + 4 * before.rtt_us / 1e6)
        pause = 0.001
        while (seen := look(self._witness)) is not None and seen.acked == before.acked:
            if seen.state == _CLOSED:
                return True
            if loop.time() >= until:
                break
            await asyncio.sleep(pause)
            pause *= 2
        return False

    def dismiss(self) -> None:
        """Forget where it stood. May be called at any time."""
        self._before = b""
        if self._witness is not None:
            self._witness.close()
            self._witness = None
