"""The messages between a supervisor and its workers: frames over one socket pair per worker.

A frame is one byte for its kind, four for its length, and the payload. The end of the stream means that the other
process is gone.
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
REQUEST_TOTALS = b"w"  # worker: request for the sums of all workers
REQUEST_METRICS = b"t"  # supervisor: request for this worker's metrics
METRICS = b"m"  # worker: its metrics, as metrics_aggregation.Family
TOTALS = b"a"  # supervisor: the sums of all workers
WORKER_ENDED = b"d"  # supervisor: another worker has ended, and has left its journal
STATE = b"s"  # worker: its state, as worker_state.State; supervisor: the state of all workers
LONGEST = 64 * 1024 * 1024
FLUSH_S = 2.0  # timeout for data still in transit when one of them ends


def read(payload: bytes, kind: type[T], sender: str) -> T | None:
    """Return the content of a frame; None, and a warning, if it cannot be read: after an upgrade the two processes may
    be of different releases.
    """
    try:
        return msgspec.msgpack.decode(payload, type=kind)
    except msgspec.DecodeError as error:
        logger.warning("worker.message.unreadable", extra={"sender": sender, "error": str(error)})
        return None


class Channel:
    """One end of the pair."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def from_socket(cls, end: socket.socket) -> Channel:
        return cls(*await asyncio.open_unix_connection(sock=end))

    async def receive(self) -> tuple[bytes, bytes] | None:
        """Return the next frame; None when the other process is gone."""
        try:
            head = await self._reader.readexactly(5)
            length = int.from_bytes(head[1:])
            return (head[:1], await self._reader.readexactly(length)) if length <= LONGEST else None
        except (asyncio.IncompleteReadError, OSError):
            return None

    def send(self, kind: bytes, payload: bytes = b"") -> None:
        """Send without waiting; nothing happens when the other process is gone."""
        if not self._writer.is_closing():
            self._writer.write(kind + len(payload).to_bytes(4) + payload)

    async def aclose(self) -> None:
        """Close when everything is sent."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
