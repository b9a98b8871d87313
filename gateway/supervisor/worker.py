"""A worker as seen by its supervisor: a process, and the line to it (gateway/supervisor/channel.py)."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Sequence

import msgspec

from gateway.observability.metrics_aggregation import Family
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
from gateway.supervisor.forked_worker import Fork, ForkedProcess
from gateway.supervisor.shutdown import in_time
from gateway.supervisor.worker_state import State
from gateway.values.tasks import spawn


class Worker:
    """One process; many may await `is_ready` and `ended`. `metrics` and `state` are what it sent last.

    `on_state` is called when it sends its state; the return value is sent to it.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process | ForkedProcess,
        line: Channel,
        on_totals_request: Callable[[Worker], None],
        on_state: Callable[[Worker], State],
    ) -> None:
        self._process, self._line = process, line
        self._on_totals_request, self._on_state = on_totals_request, on_state
        self.metrics: list[Family] = []
        self.state: State | None = None
        self._is_ready = asyncio.get_running_loop().create_future()
        self._has_metrics = asyncio.Event()
        self._receiving = spawn(self._receive())
        self._ended = spawn(self._wait())

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        listener: socket.socket,
        on_totals_request: Callable[[Worker], None],
        on_state: Callable[[Worker], State],
    ) -> Worker:
        """Start `command --listener-fd N --line-fd M`, which finds the socket and the line there. Raises OSError."""
        own_end, worker_end = socket.socketpair()
        own_end.setblocking(False)
        with worker_end:
            fds = (listener.fileno(), worker_end.fileno())
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    "--listener-fd",
                    str(fds[0]),
                    "--line-fd",
                    str(fds[1]),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=fds,
                    process_group=0,  # a terminal's Ctrl-C reaches the supervisor only, which forwards it once
                )
            except OSError:
                own_end.close()
                raise
        return cls(process, await Channel.from_socket(own_end), on_totals_request, on_state)

    @classmethod
    async def forked(
        cls, fork: Fork, on_totals_request: Callable[[Worker], None], on_state: Callable[[Worker], State]
    ) -> Worker:
        """Take over a worker that already runs."""
        return cls(ForkedProcess(fork.pid), await Channel.from_socket(fork.line), on_totals_request, on_state)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def is_ready(self) -> bool:
        """Wait until it serves; False if it ended before."""
        return bool(await asyncio.shield(self._is_ready))

    async def ended(self) -> int:
        return await asyncio.shield(self._ended)

    def on_end(self, callback: Callable[[], None]) -> None:
        self._ended.add_done_callback(lambda _: callback())

    def send(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def request_metrics(self, within_s: float) -> None:
        """Request its metrics; those it sent before stay if it does not respond."""
        if not self._is_ready.done() or self._receiving.done():
            return
        self._has_metrics.clear()
        self._line.send(REQUEST_METRICS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._has_metrics.wait()

    def send_totals(self, totals: bytes) -> None:
        """Send it the sums of all workers, as it requested."""
        self._line.send(TOTALS, totals)

    @property
    def serves(self) -> bool:
        return self._is_ready.done() and self._is_ready.result() and not self._receiving.done()

    def report_ended_worker(self) -> None:
        """Make it look at once for the journal of an ended worker."""
        self._line.send(WORKER_ENDED)

    async def _receive(self) -> None:
        while (frame := await self._line.receive()) is not None:
            kind, payload = frame
            if kind == READY and not self._is_ready.done():
                self._is_ready.set_result(True)
            elif kind == METRICS:
                self.metrics = read(payload, list[Family], f"worker {self.pid}") or self.metrics
                self._has_metrics.set()
            elif kind == STATE:
                self.state = read(payload, State, f"worker {self.pid}") or self.state
                self._line.send(STATE, msgspec.msgpack.encode(self._on_state(self)))
            elif kind == REQUEST_TOTALS:
                self._on_totals_request(self)
        self._has_metrics.set()
        if not self._is_ready.done():
            self._is_ready.set_result(False)

    async def _wait(self) -> int:
        code = await self._process.wait()
        is_over = await in_time(FLUSH_S, f"last words of worker {self.pid}", self._receiving)
        if not is_over and not self._is_ready.done():
            self._is_ready.set_result(False)
        await in_time(FLUSH_S, f"line to worker {self.pid}", self._line.aclose())
        return code
