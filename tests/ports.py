"""Ports for servers that must be told theirs, or come back on the same one."""

from __future__ import annotations

import random
import socket

# Below those that Linux (from 32768 on) and others (from 49152 on, RFC 6335) give to outgoing connections: one of these
# would take the port while the server is down, or not yet up.
_CHOICE = range(10_000, 32_000)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    dice = random.SystemRandom()
    while True:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", dice.choice(_CHOICE)))
            except OSError:
                continue
            return int(probe.getsockname()[1])


class ClosedPort:
    """A port that refuses every connection, and that nobody else can get while it is held."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))  # bound, never listening
        self.port: int = self._socket.getsockname()[1]

    def close(self) -> None:
        self._socket.close()
