"""The part of HTTP/1.1 that the test upstream needs for every fault: one request at a time on a connection."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import cast

import msgspec
from typing_extensions import override


class Request(msgspec.Struct):
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    connection: int


class ClientGone(Exception):
    """Raised where an answer is written after the client disconnected."""


Handler = Callable[["Connection", Request], Awaitable[None]]


class Connection(asyncio.Protocol):
    """One client. The handler's task is cancelled when the client disconnects."""

    def __init__(self, number: int, handler: Handler, open_connections: set[Connection]) -> None:
        self.number = number
        self._handler, self._open = handler, open_connections
        self._buffer = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._open.add(self)

    @override
    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._task is None:
            self._next()

    @override
    def eof_received(self) -> bool:
        return (
            False  # a client that has finished writing is gone: the transport closes, connection_lost follows
        )

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)
        self._writable.set()
        if self._task is not None:
            self._task.cancel()

    @override
    def pause_writing(self) -> None:
        self._writable.clear()

    @override
    def resume_writing(self) -> None:
        self._writable.set()

    async def write(self, data: bytes) -> None:
        """Send, and wait while the client reads too slowly."""
        if self.transport.is_closing():
            raise ClientGone
        self.transport.write(data)
        await self._writable.wait()

    def close(self) -> None:
        self.transport.close()

    def reset(self) -> None:
        """Throw the connection away with a TCP reset."""
        raw = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    async def answer(
        self, status: int, body: bytes, content_type: str, headers: dict[str, str] | None = None
    ) -> None:
        """Send a complete answer with its length."""
        all_headers = {"content-type": content_type, "content-length": str(len(body)), **(headers or {})}
        await self.write(head(status, all_headers) + body)

    def _next(self) -> None:
        request = parse(self._buffer, self.number)
        if request is not None:
            self._task = asyncio.get_running_loop().create_task(self._serve(request))

    async def _serve(self, request: Request) -> None:
        try:
            await self._handler(self, request)
        except ClientGone:
            return
        finally:
            self._task = None
        if not self.transport.is_closing():
            self._next()


def head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def parse(buffer: bytearray, connection: int) -> Request | None:
    """Take one complete request off the buffer, or return None when there is none yet."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    first, *lines = bytes(buffer[:end]).decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    taken = _body(buffer, end + 4, headers)
    if taken is None:
        return None
    body, length = taken
    del buffer[:length]
    path, _, query = target.partition("?")
    return Request(method, path, query, headers, body, connection)


def _body(buffer: bytearray, start: int, headers: dict[str, str]) -> tuple[bytes, int] | None:
    """Return the body and where it ends in the buffer."""
    if headers.get("transfer-encoding") != "chunked":
        end = start + int(headers.get("content-length", "0"))
        return (bytes(buffer[start:end]), end) if len(buffer) >= end else None
    parts, place = [], start
    while True:
        line = buffer.find(b"\r\n", place)
        size = int(buffer[place:line].split(b";")[0], 16) if line >= 0 else 0
        if line < 0 or len(buffer) < line + 2 + size + 2:
            return None
        parts.append(bytes(buffer[line + 2 : line + 2 + size]))
        place = line + 2 + size + 2
        if size == 0:
            return b"".join(parts), place
