"""A worker as seen by its supervisor: a process, and the line to it (gateway/supervisor/channel.py)."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Sequence

import msgspec

from gateway.observability.metrics_aggregation import Family
from gateway.supervisor.channel import ALL, DEAD, LAST_WORDS_S, MINE, READY, STATE, TELL, WANT, Channel, read
from gateway.supervisor.forked_worker import Fork, ForkedProcess
from gateway.supervisor.shutdown import in_time
from gateway.supervisor.worker_state import State
from gateway.values.tasks import spawn


class Worker:
    """One process; many may await `is_ready` and `ended`. `counted` and `state` are what it sent last.

    `when_told` is called when it sends its state; the return value is sent to it.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process | ForkedProcess,
        line: Channel,
        when_asked: Callable[[Worker], None],
        when_told: Callable[[Worker], State],
    ) -> None:
        self._process, self._line = process, line
        self._when_asked, self._when_told = when_asked, when_told
        self.counted: list[Family] = []
        self.state: State | None = None
        self._is_ready = asyncio.get_running_loop().create_future()
        self._answered = asyncio.Event()
        self._hearing = spawn(self._hear())
        self._ended = spawn(self._wait())

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        listener: socket.socket,
        when_asked: Callable[[Worker], None],
        when_told: Callable[[Worker], State],
    ) -> Worker:
        """Start `command --listener-fd N --line-fd M`, which finds the socket and the line there. Raises OSError."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            fds = (listener.fileno(), theirs.fileno())
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
                ours.close()
                raise
        return cls(process, await Channel.over(ours), when_asked, when_told)

    @classmethod
    async def forked(
        cls, fork: Fork, when_asked: Callable[[Worker], None], when_told: Callable[[Worker], State]
    ) -> Worker:
        """Take over a worker that already runs."""
        return cls(ForkedProcess(fork.pid), await Channel.over(fork.line), when_asked, when_told)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def is_ready(self) -> bool:
        """Wait until it serves; False if it ended before."""
        return bool(await asyncio.shield(self._is_ready))

    async def ended(self) -> int:
        return await asyncio.shield(self._ended)

    def when_ended(self, tell: Callable[[], None]) -> None:
        self._ended.add_done_callback(lambda _: tell())

    def send(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def count(self, within_s: float) -> None:
        """Request its metrics; those it sent before stay if it does not respond."""
        if not self._is_ready.done() or self._hearing.done():
            return
        self._answered.clear()
        self._line.say(TELL)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._answered.wait()

    def answer(self, totals: bytes) -> None:
        """Send it the sums of all workers, as it requested."""
        self._line.say(ALL, totals)

    @property
    def serves(self) -> bool:
        return self._is_ready.done() and self._is_ready.result() and not self._hearing.done()

    def adopt(self) -> None:
        """Make it look at once for the journal of an ended worker."""
        self._line.say(DEAD)

    async def _hear(self) -> None:
        while (frame := await self._line.hear()) is not None:
            what, payload = frame
            if what == READY and not self._is_ready.done():
                self._is_ready.set_result(True)
            elif what == MINE:
                self.counted = read(payload, list[Family], f"worker {self.pid}") or self.counted
                self._answered.set()
            elif what == STATE:
                self.state = read(payload, State, f"worker {self.pid}") or self.state
                self._line.say(STATE, msgspec.msgpack.encode(self._when_told(self)))
            elif what == WANT:
                self._when_asked(self)
        self._answered.set()
        if not self._is_ready.done():
            self._is_ready.set_result(False)

    async def _wait(self) -> int:
        code = await self._process.wait()
        is_over = await in_time(LAST_WORDS_S, f"last words of worker {self.pid}", self._hearing)
        if not is_over and not self._is_ready.done():
            self._is_ready.set_result(False)
        await in_time(LAST_WORDS_S, f"line to worker {self.pid}", self._line.aclose())
        return code
