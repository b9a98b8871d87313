"""The thread between a supervisor and one worker: the worker says when it serves, and notices its supervisor's death.

One socket pair a worker. A byte means "I serve"; the end of the stream means that the other one is gone.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Self

READY = b"1"


class WorkerLink:
    """A worker's side: the listening socket it was born with, and the line to its supervisor."""

    def __init__(self, listener: socket.socket, line: socket.socket) -> None:
        self.listener, self._line = listener, line

    @classmethod
    def inherited(cls, listener_fd: int, line_fd: int) -> Self:
        """Take over what the supervisor passed on."""
        line = socket.socket(fileno=line_fd)
        line.setblocking(False)
        return cls(socket.socket(fileno=listener_fd), line)

    def say_ready(self, when_orphaned: Callable[[], None]) -> None:
        """Tell the supervisor that calls are served; from now on its death is an order to stop."""
        loop = asyncio.get_running_loop()
        self._line.send(READY)

        def ended() -> None:
            loop.remove_reader(self._line)
            when_orphaned()

        loop.add_reader(self._line, ended)
