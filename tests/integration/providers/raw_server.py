"""A provider on a real loopback socket: each connection runs the script of a test."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import Awaitable, Callable
from socket import SO_LINGER, SOL_SOCKET
from types import TracebackType
from typing import Self

from tests.support.servers.ports import stop_accepting

HEAD_END = b"\r\n\r\n"


class Peer:
    """One accepted connection. `gone` is set when the other side has closed it."""

    def __init__(self, server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self._reader, self._writer = server, reader, writer
        self.gone = asyncio.Event()

    async def request(self) -> bytes:
        """Read one whole request; raises IncompleteReadError when the connection ends first."""
        try:
            head = await self._reader.readuntil(HEAD_END)
            length = 0
            for line in head.split(b"\r\n"):
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            body = await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.gone.set()
            raise
        self.server.requests.append(head + body)
        self.server.asked.set()
        return head + body

    async def head(self) -> bytes:
        """Read only the head of a request."""
        return await self._reader.readuntil(HEAD_END)

    async def send(self, *parts: bytes) -> None:
        if self._writer.is_closing():  # uvloop has no other word for it than a RuntimeError
            raise ConnectionResetError
        self._writer.write(b"".join(parts))
        await self._writer.drain()

    async def answer(self, body: bytes = b"{}", head: bytes = b"") -> None:
        await self.send(b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n" % (head, len(body)), body)

    async def start_stream(self, content_type: bytes = b"text/event-stream") -> None:
        await self.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n" % content_type
        )

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def until_gone(self) -> None:
        """Wait until the client closes or resets the connection."""
        try:
            while await self._reader.read(65536):
                pass
        except ConnectionError:
            pass
        self.gone.set()

    def reset(self) -> None:
        """Close with a TCP reset instead of a farewell."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def close(self) -> None:
        self._writer.close()


Script = Callable[[Peer], Awaitable[None]]


class RawServer:
    """`async with RawServer(script) as server`: counts connections and keeps what it was asked."""

    def __init__(self, script: Script, trust: ssl.SSLContext | None = None) -> None:
        self._script, self._trust = script, trust
        self.peers: list[Peer] = []
        self.requests: list[bytes] = []
        self.asked = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._trust)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await stop_accepting(self._server)
        for peer in self.peers:
            with contextlib.suppress(
                AttributeError
            ):  # asyncio's raises it when its last bytes have just left
                peer._writer.transport.abort()  # noqa: SLF001 - its own peers
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"{'https' if self._trust else 'http'}://127.0.0.1:{self.port}/v1/chat/completions"

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(self, reader, writer)
        self.peers.append(peer)
        task = asyncio.create_task(self._run(peer))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, peer: Peer) -> None:
        try:
            await self._script(peer)
        except (asyncio.IncompleteReadError, ConnectionError):
            peer.gone.set()
        finally:
            peer.close()
