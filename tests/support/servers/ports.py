"""Ports for servers that need a fixed port, or come back on the same one."""

from __future__ import annotations

import asyncio
import random
import socket
import socketserver
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from typing_extensions import override

# Below those that Linux (from 32768 on) and others (from 49152 on, RFC 6335) give to outgoing connections: one of these
# would take the port while the server is down, or not yet up.
_CHOICE = range(10_000, 32_000)
# The name of a claim: an abstract socket, so that all processes of this machine see it.
_NAME = "\0open-model-gateway-tests-port-"


_CLAIMS: deque[socket.socket] = deque()
_TURNS = 8  # of a loop, from an accepted connection to the first step of its handler
_MOST_CLAIMS = 200  # the servers of the ports before have long begun to listen, or ended


def free_port() -> int:
    """Return a port of 127.0.0.1 without a listener, which no other test gets before its server listens."""
    dice = random.SystemRandom()
    while True:
        port, claim = dice.choice(_CHOICE), socket.socket(socket.AF_UNIX)
        with socket.socket() as probe:
            try:
                # Of many servers that start at once, two would otherwise get the same port now and then.
                claim.bind(f"{_NAME}{port}")
                probe.bind(("127.0.0.1", port))
            except OSError:
                claim.close()
                continue
        _CLAIMS.append(claim)
        if len(_CLAIMS) > _MOST_CLAIMS:
            _CLAIMS.popleft().close()
        return port


async def stop_accepting(server: asyncio.Server) -> None:
    """Close its listeners once all that was accepted has reached its handler.

    A server that is closed in between loses it: asyncio of 3.11 then neither serves nor closes the connection, and what
    collects it later, in another test, is told of it.
    """
    for listening in server.sockets:
        server.get_loop().remove_reader(listening.fileno())
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    server.close()


class ClosedPort:
    """A port that refuses every connection, and that no other process gets while it is held."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))  # bound, never listening
        self.port: int = self._socket.getsockname()[1]

    def close(self) -> None:
        self._socket.close()


@contextmanager
def full_port() -> Iterator[int]:
    """Yield a port that takes no more connections: they are not accepted, and its queue is full."""
    with socket.socket() as held, ExitStack() as waiting:
        held.bind(("127.0.0.1", 0))
        held.listen(0)
        for _ in range(4):
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(held.getsockname())
        yield held.getsockname()[1]


@contextmanager
def plain_port() -> Iterator[int]:
    """Yield a port that answers every input with a line of HTTP, also the beginning of TLS."""

    class Plain(socketserver.BaseRequestHandler):
        @override
        def handle(self) -> None:
            self.request.recv(4096)
            self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Plain) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()
