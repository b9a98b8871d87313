"""Whether a request lost on a kept connection can have been read, according to the kernel (TCP_INFO of Linux).

A provider that closes an idle connection sends a FIN, and its kernel resets the connection on later data,
unread. So a request was certainly not read if the FIN came first, no byte of it was acknowledged, and then the
connection was reset. A reset alone proves nothing: its acknowledgement is not counted by the receiving kernel.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import Final, NamedTuple

_TCP_INFO: Final = getattr(socket, "TCP_INFO", 0)  # the fields read here exist only on Linux
_SIZE: Final = 128
_STATE: Final = 0  # offset of tcpi_state (linux/tcp.h)
_read = struct.Struct("=B67xI48xQ").unpack_from  # tcpi_state, tcpi_rtt (us), tcpi_bytes_acked
_ESTABLISHED, _CLOSED = 1, 7
_LEAST_S, _MOST_S = 0.1, 1.0  # to wait for the reset: it comes a round trip after the request


class TcpInfo(NamedTuple):
    """The state of a TCP connection: `acked` counts the bytes that the peer has acknowledged so far."""

    state: int
    rtt_us: int
    acked: int


def read_info(sock: socket.socket) -> TcpInfo | None:
    """Read TCP_INFO; None if the kernel has none."""
    info = _raw_info(sock)
    return TcpInfo(*_read(info)) if info else None


def _raw_info(sock: socket.socket) -> bytes:
    """Return the raw TCP_INFO, b"" if the kernel has none. About 1.3 us."""
    if not _TCP_INFO:
        return b""
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _SIZE)
    except OSError:  # closed by now, or no TCP
        return b""
    return info if len(info) == _SIZE else b""


class TcpState:
    """The kernel's state of a kept connection. `socket` is only inspected; every exchange ends with `dismiss`."""

    __slots__ = ("_before", "_duplicate", "socket")

    def __init__(self) -> None:
        self.socket: socket.socket | None = None
        self._before = b""  # the next request; parsed only if that was lost
        self._duplicate: socket.socket | None = None  # a duplicate that outlives the connection

    def is_ready(self) -> bool:
        """Whether the connection may be used, as far as the kernel knows by now; saves its TCP_INFO."""
        self._before = info = _raw_info(self.socket) if self.socket is not None else b""
        return not info or info[_STATE] == _ESTABLISHED

    def on_fin(self) -> None:
        """On the peer's FIN: keep the socket until it is known whether the request was read."""
        if self._before and self.socket is not None and self.socket.fileno() >= 0:
            self._duplicate = socket.socket(fileno=os.dup(self.socket.fileno()))

    async def is_unread(self) -> bool:
        """Whether certainly no byte of the request was read; False if the kernel does not report it in time."""
        if self._duplicate is None or not self._before:
            return False
        before = TcpInfo(*_read(self._before))
        loop = asyncio.get_running_loop()
        until = loop.time() + min(_MOST_S, _LEAST_S + 4 * before.rtt_us / 1e6)
        pause = 0.001
        while (seen := read_info(self._duplicate)) is not None and seen.acked == before.acked:
            if seen.state == _CLOSED:
                return True
            if loop.time() >= until:
                break
            await asyncio.sleep(pause)
            pause *= 2
        return False

    def dismiss(self) -> None:
        """Drop the saved state. May be called at any time."""
        self._before = b""
        if self._duplicate is not None:
            self._duplicate.close()
            self._duplicate = None
