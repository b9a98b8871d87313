"""The first workers are forks of their supervisor, which has imported everything and prepared the database.

A fork costs a tenth of the CPU of a new interpreter and shares the memory of imported code. Later workers are new
interpreters (gateway/supervisor/worker.py): by then the supervisor runs threads and may be older than the code.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.supervisor.supervisor_client import SupervisorClient


@dataclass(frozen=True, slots=True)
class Fork:
    """A worker as seen by its parent; `line` is the parent's end."""

    pid: int
    line: socket.socket


def fork_workers(listeners: Sequence[socket.socket]) -> list[Fork] | SupervisorClient:
    """Fork a worker for each of these listeners, which may be the same, and return all; in a worker, return its line.

    Call it outside any event loop.
    """
    if threading.active_count() > 1:
        raise RuntimeError(f"a fork would lose the threads: {threading.enumerate()}")
    gc.freeze()  # the collector then writes to no page that all of them share
    forks: list[Fork] = []
    for listener in listeners:
        own_end, worker_end = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            for end in (own_end, *(fork.line for fork in forks)):
                end.close()  # else a sibling would not notice the supervisor's end
            for other in {*listeners} - {listener}:
                other.close()  # else clients could connect where no worker serves any more
            return _worker(listener, worker_end)
        worker_end.close()
        own_end.setblocking(False)
        forks.append(Fork(pid, own_end))
    return forks


def _worker(listener: socket.socket, end: socket.socket) -> SupervisorClient:
    os.setpgid(0, 0)  # a terminal's Ctrl-C reaches the supervisor only, which forwards it once
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    end.setblocking(False)
    return SupervisorClient(listener, end)


class ForkedProcess:
    """The part of asyncio.subprocess.Process that the supervisor needs, for a forked child. Create it in the loop."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = loop.create_future()
        self._reaping = threading.Lock()  # the id of a reaped process may be another process's
        threading.Thread(target=self._reap, args=(loop,), name=f"waits for {pid}", daemon=True).start()

    async def wait(self) -> int:
        """Return the exit code, negative for a signal."""
        return await asyncio.shield(self._ended)

    def send_signal(self, number: signal.Signals) -> None:
        """Send the signal, unless the process has ended."""
        with self._reaping:
            if self.returncode is None:
                os.kill(self.pid, number)

    def _reap(self, loop: asyncio.AbstractEventLoop) -> None:
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._reaping:
            _, status = os.waitpid(self.pid, 0)
            self.returncode = os.waitstatus_to_exitcode(status)
        loop.call_soon_threadsafe(self._ended.set_result, self.returncode)
