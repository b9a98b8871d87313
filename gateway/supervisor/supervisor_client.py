"""A worker's side of the line to its supervisor: reports readiness and metrics, notices the supervisor's end."""

from __future__ import annotations

import asyncio
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Self

import msgspec
from prometheus_client import REGISTRY

from gateway.observability.metrics_aggregation import Family, families_of
from gateway.supervisor.channel import (
    FLUSH_S,
    METRICS,
    READY,
    REQUEST_METRICS,
    REQUEST_TOTALS,
    STATE,
    TOTALS,
    WORKER_ENDED,
    Channel,
    read,
)
from gateway.supervisor.shutdown import in_time
from gateway.supervisor.worker_state import State
from gateway.values.tasks import spawn

OLD_S = 5.0  # an older state is ignored
ANSWER_S = 3.0  # longer than the supervisor waits for its slowest worker
SUPERVISOR = "the supervisor"


class SupervisorClient:
    """The listening socket that the worker was started with, and the line."""

    def __init__(self, listener: socket.socket, end: socket.socket) -> None:
        self.listener, self._end = listener, end
        self.on_worker_ended: Callable[[], object] = lambda: None
        self._state_of_all: State | None = None  # the state of all workers, as last sent by the supervisor
        self._state_at = 0.0
        self._line: Channel | None = None
        self._task: asyncio.Task[None] | None = None
        self._waiting: deque[asyncio.Future[bytes]] = deque()
        self._is_closing = False

    @classmethod
    def inherited(cls, listener_fd: int, line_fd: int) -> Self:
        """Take over the sockets that the supervisor passed on."""
        listener, end = socket.socket(fileno=listener_fd), socket.socket(fileno=line_fd)
        for inherited in (listener, end):
            inherited.setblocking(False)  # else Python treats it as blocking, and makes its copies so
            inherited.set_inheritable(False)  # uvloop closes nothing in the processes that it starts
        return cls(listener, end)

    async def open(
        self, on_orphaned: Callable[[], None], on_orphaned_in_thread: Callable[[], None] = lambda: None
    ) -> None:
        """Listen to the supervisor: from now on its end is an order to stop.

        `on_orphaned_in_thread`: a worker with a blocked loop must not outlive the supervisor.
        """
        end = self._end.dup()
        threading.Thread(
            target=self._watch, args=(end, on_orphaned_in_thread), name="supervisor", daemon=True
        ).start()
        self._line = await Channel.from_socket(self._end)
        self._task = spawn(self._listen(self._line, on_orphaned))

    def report_ready(self) -> None:
        """Report to the supervisor that calls are served."""
        if self._line is not None:
            self._line.send(READY)

    def report_state(self, state: State) -> None:
        """Send this worker's state to the supervisor; it returns that of all workers."""
        if self._line is not None:
            self._line.send(STATE, msgspec.msgpack.encode(state))

    def state_of_all(self) -> State | None:
        """Return the state of all workers together; None where the supervisor has not sent it lately."""
        return self._state_of_all if time.monotonic() - self._state_at < OLD_S else None

    async def totals(self) -> list[Family]:
        """Return the summed metrics of all workers of this machine. Raises TimeoutError, also for unreadable ones."""
        if self._line is None:
            raise TimeoutError
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        self._line.send(REQUEST_TOTALS)
        async with asyncio.timeout(ANSWER_S):
            totals = read(await answer, list[Family], SUPERVISOR)
        if totals is None:
            raise TimeoutError
        return totals

    async def aclose(self) -> None:
        """Send the metrics for the last time."""
        self._is_closing = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._line is not None:
            self._line.send(METRICS, _own_metrics())
            await in_time(FLUSH_S, "line to the supervisor", self._line.aclose())

    def _watch(self, end: socket.socket, on_orphaned_in_thread: Callable[[], None]) -> None:
        """Wait until the other end is closed, and read nothing: that is poll(2) with no event to wait for."""
        poll = select.poll()
        poll.register(end, 0)
        poll.poll()
        end.close()
        if not self._is_closing:
            on_orphaned_in_thread()

    async def _listen(self, line: Channel, on_orphaned: Callable[[], None]) -> None:
        while (frame := await line.receive()) is not None:
            kind, payload = frame
            if kind == REQUEST_METRICS:
                line.send(METRICS, _own_metrics())
            elif kind == STATE and (state := read(payload, State, SUPERVISOR)) is not None:
                self._state_of_all, self._state_at = state, time.monotonic()
            elif kind == WORKER_ENDED:
                self.on_worker_ended()
            elif kind == TOTALS and self._waiting:
                answer = self._waiting.popleft()
                if not answer.done():
                    answer.set_result(payload)
        on_orphaned()


def _own_metrics() -> bytes:
    return msgspec.msgpack.encode(families_of(REGISTRY))
