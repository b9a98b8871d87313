"""Keeps N worker processes serving one listening socket: replaces ended workers, renews workers one by one.

The socket is bound once and inherited, so a connection that waits when a worker ends is taken by another one. SIGTERM
shuts all down in order, a second one forces them, SIGHUP renews. Serves nothing itself.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Callable, Sequence

from gateway.supervisor.forked_worker import Fork
from gateway.supervisor.metrics_collector import MetricsCollector
from gateway.supervisor.shutdown import EXIT_S, KILL_S, ShutdownSignal
from gateway.supervisor.worker import Worker
from gateway.values.tasks import spawn

logger = logging.getLogger(__name__)

SHORT_LIFE_S = 5.0  # a worker that ends sooner than this is restarted after a pause that doubles
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 3.0
OPEN_S = 60.0  # timeout for a replacement of a live worker until it serves


class WorkerSlot:
    """A place for one worker: its listener, and its other arguments."""

    def __init__(self, listener: socket.socket, *arguments: str) -> None:
        self.listener, self.arguments = listener, arguments
        self.worker: Worker | None = None
        self.has_served = asyncio.Event()
        self.filling = asyncio.Lock()


class Supervisor:
    """`prepare` runs before workers are renewed and returns whether they may be; `drain_s` is a worker's own bound.

    `back_office` is a listener for one more worker, which serves it alone. `set_time_limit` is called with the
    seconds that the shutdown of this process may still take.
    """

    def __init__(  # noqa: PLR0913 - all but three have names
        self,
        command: Sequence[str],
        listener: socket.socket,
        count: int,
        *,
        drain_s: float,
        prepare: Sequence[str],
        back_office: socket.socket | None = None,
        set_time_limit: Callable[[float], object] = lambda _: None,
    ) -> None:
        self._command, self._drain_s, self._prepare = command, drain_s, prepare
        self._slots = [WorkerSlot(listener) for _ in range(count)]
        if back_office is not None:
            self._slots.append(WorkerSlot(back_office, "--back-office"))
        self._workers: set[Worker] = set()
        self._collector = MetricsCollector(self._workers)
        self._callbacks = (self._collector.request_totals, self._collector.state_of_all)
        self._stop = ShutdownSignal(set_time_limit)
        self._stop.grace_s = drain_s + EXIT_S
        self._renewal = asyncio.Event()

    async def run(self, announce: Callable[[], None], forks: Sequence[Fork] = ()) -> None:
        """Serve until SIGTERM or SIGINT; `announce` is called when every worker serves for the first time.

        `forks` are the workers that run already (gateway/supervisor/forked_worker.py), in the order of their places.
        """
        self._stop.install()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._renewal.set)
        for slot, fork in zip(self._slots, forks, strict=False):
            slot.worker = self._add_worker(await Worker.forked(fork, *self._callbacks))
        keepers = [spawn(self._keep_running(slot)) for slot in self._slots]
        others = [spawn(self._announce(announce)), spawn(self._renew_on_signal())]
        await self._stop.requested.wait()
        for slot in self._slots:
            slot.listener.close()  # the workers' copies are the last ones: when they close, no client can connect
        self._signal_all(signal.SIGTERM)
        await self._stop.wait(self._drain_s + EXIT_S, self._all_ended())
        if self._workers:
            self._signal_all(signal.SIGTERM)  # the second one: hurry
            await ShutdownSignal().wait(KILL_S, self._all_ended())
            self._signal_all(signal.SIGKILL)
            await self._all_ended()
        self._collector.close()
        for task in (*keepers, *others):
            task.cancel()
        await asyncio.gather(*keepers, *others, return_exceptions=True)

    async def _announce(self, announce: Callable[[], None]) -> None:
        for slot in self._slots:
            await slot.has_served.wait()
        announce()

    async def _keep_running(self, slot: WorkerSlot) -> None:
        early_exits = 0
        while not self._stop.requested.is_set():
            try:
                async with slot.filling:
                    worker = slot.worker = slot.worker or await self._start(slot)
            except OSError:
                # No process available now, or no interpreter while it is replaced: both are temporary.
                logger.exception("worker.start.failed")
                early_exits += 1
                await self._pause_after(early_exits)
                continue
            started_at = time.monotonic()
            is_ready = await worker.is_ready()
            if is_ready:
                slot.has_served.set()
                logger.info("worker.serving", extra={"pid": worker.pid})
            code = await worker.ended()
            if slot.worker is not worker:
                continue  # it was renewed; its successor is kept from now on
            slot.worker = None
            if self._stop.requested.is_set():
                return
            is_early = not is_ready or time.monotonic() - started_at < SHORT_LIFE_S
            early_exits = early_exits + 1 if is_early else 0
            logger.error("worker.ended", extra={"pid": worker.pid, "code": code})
            if early_exits:
                await self._pause_after(early_exits)

    async def _pause_after(self, early_exits: int) -> None:
        await self._stop.wait(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(early_exits, 10)))

    async def _start(self, slot: WorkerSlot) -> Worker:
        command = (*self._command, *slot.arguments)
        return self._add_worker(await Worker.start(command, slot.listener, *self._callbacks))

    def _add_worker(self, worker: Worker) -> Worker:
        self._workers.add(worker)
        worker.on_end(lambda: self._remove_worker(worker))
        if self._stop.requested.is_set():
            worker.send(signal.SIGTERM)
        return worker

    def _remove_worker(self, worker: Worker) -> None:
        self._workers.discard(worker)
        self._collector.keep_metrics(worker)
        successor = next((other for other in self._workers if other.serves), None)
        if successor is not None:
            # Also after a regular end, which leaves nothing: it costs one look at a directory.
            successor.report_ended_worker()

    async def _renew_on_signal(self) -> None:
        while True:
            await self._renewal.wait()
            self._renewal.clear()
            try:
                await self._renew()
            except OSError:
                logger.exception("worker.renewal.failed")

    async def _renew(self) -> None:
        """Replace each worker by one that already serves, so that there is always one to connect to."""
        if not await self._is_prepared():
            logger.error("worker.renewal.refused")
            return
        for slot in self._slots:
            async with slot.filling:
                new = await self._start(slot)
                if not await _serves_in_time(new):
                    logger.error("worker.renewal.not_serving", extra={"pid": new.pid})
                    return
                old, slot.worker = slot.worker, new
            if old is not None:
                old.send(signal.SIGHUP)  # it ends when its last call does
                await old.ended()

    async def _is_prepared(self) -> bool:
        preparing = await asyncio.create_subprocess_exec(*self._prepare, stdin=asyncio.subprocess.DEVNULL)
        try:
            return await preparing.wait() == 0
        except asyncio.CancelledError:  # the supervisor ends: the check is no longer needed
            if preparing.returncode is None:
                preparing.kill()
            await preparing.wait()
            raise

    async def _all_ended(self) -> None:
        while self._workers:
            await asyncio.gather(*(worker.ended() for worker in self._workers))

    def _signal_all(self, number: signal.Signals) -> None:
        for worker in list(self._workers):
            worker.send(number)


async def _serves_in_time(worker: Worker) -> bool:
    """Wait until it serves; one that is held up, perhaps by a hanging database, is killed: its place is needed."""
    try:
        async with asyncio.timeout(OPEN_S):
            return await worker.is_ready()
    except TimeoutError:
        worker.send(signal.SIGKILL)
        return False
