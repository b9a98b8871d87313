"""What a supervisor and its workers say to each other: frames over one socket pair a worker.

A frame is one byte that says what it is, four that say how long, and the rest. The end of the stream means that the
other one is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import TypeVar

import msgspec

logger = logging.getLogger(__name__)
T = TypeVar("T")

READY = b"r"  # worker: I serve
WANT = b"w"  # worker: what do all of us count?
TELL = b"t"  # supervisor: what do you count?
MINE = b"m"  # worker: this, as metrics_sum.Family
ALL = b"a"  # supervisor: this is what all of you count
DEAD = b"d"  # supervisor: another of us has died, and has left its journal
STATE = b"s"  # worker: how I am doing, as worker_state.State; supervisor: how all of you are
LONGEST = 64 * 1024 * 1024
LAST_WORDS_S = 2.0  # waited for what is still on its way when one of them ends


def read(payload: bytes, kind: type[T], sender: str) -> T | None:
    """Return what a frame holds; None, and a warning, for what cannot be read: after an upgrade the two processes may
    be of different releases.
    """
    try:
        return msgspec.msgpack.decode(payload, type=kind)
    except msgspec.DecodeError as error:
        logger.warning("%s sent a message that cannot be read (%s)", sender, error)
        return None


class Channel:
    """One end of the pair."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def over(cls, end: socket.socket) -> Channel:
        return cls(*await asyncio.open_unix_connection(sock=end))

    async def hear(self) -> tuple[bytes, bytes] | None:
        """Return the next frame; None when the other one is gone."""
        try:
            head = await self._reader.readexactly(5)
            length = int.from_bytes(head[1:])
            return (head[:1], await self._reader.readexactly(length)) if length <= LONGEST else None
        except (asyncio.IncompleteReadError, OSError):
            return None

    def say(self, what: bytes, payload: bytes = b"") -> None:
        """Send without waiting; nothing happens when the other one is gone."""
        if not self._writer.is_closing():
            self._writer.write(what + len(payload).to_bytes(4) + payload)

    async def aclose(self) -> None:
        """Close when all is sent."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
