"""Runs the work on large requests and responses in separate processes, so that it never blocks the event loop.

Reading JSON holds the interpreter's lock, so a thread would block the loop all the same. Each tenant has one running
job, all tenants together AT_ONCE; the rest is queued. A cancelled caller keeps its slot until its running job ends, so
that canceling gives no tenant more than its share. The processes are started on first use (0.1 s).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from gateway.values.fallback_log import FALLBACKS
from providers.processes.work_process import Job, WorkerLost, WorkProcess
from providers.shielding import to_its_end

T = TypeVar("T")
AT_ONCE: Final = 2
CPU_S: Final = 5.0  # limit of one job, and so much more a MB:
CPU_S_PER_MB: Final = 0.25
GRACE_S: Final = 0.25  # beyond the limit given to a job: it checks its clock only now and then
MEMORY: Final = 512 * 1024 * 1024  # of address space, and so many times the size of its input:
MEMORY_PER_BYTE: Final = 16
MB: Final = 1024 * 1024


class HeavyWork:
    """One for a process. `waiting` is how many jobs wait or run; `module` is what the processes run."""

    def __init__(self, module: str = "gateway.parsing.heavy_process", at_once: int = AT_ONCE) -> None:
        self._module = module
        self._slots = asyncio.Semaphore(at_once)
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="heavy")
        self._idle: list[WorkProcess] = []
        self._busy: set[WorkProcess] = set()
        self._is_closed = False
        self._tenant_locks: dict[int, asyncio.Lock] = {}
        self._tenant_waiting: dict[int, int] = {}
        self.waiting = 0

    def share(self, tenant_id: int) -> Share:
        return Share(self, tenant_id)

    @property
    def pids(self) -> set[int]:
        """The ids of the processes."""
        return {process.pid for process in (*self._idle, *self._busy)}

    def close(self) -> None:
        """Kill the processes, whatever they do."""
        self._is_closed = True
        for process in tuple(self._busy):
            process.kill()
        self._threads.shutdown(cancel_futures=True)
        for process in self._idle:
            process.close()

    @asynccontextmanager
    async def slot(self, tenant_id: int) -> AsyncIterator[None]:
        """Wait in the tenant's own queue first, so that it takes one slot at most."""
        lock = self._tenant_locks.setdefault(tenant_id, asyncio.Lock())
        self._tenant_waiting[tenant_id] = self._tenant_waiting.get(tenant_id, 0) + 1
        self.waiting += 1
        try:
            async with lock, self._slots:
                yield
        finally:
            self.waiting -= 1
            self._tenant_waiting[tenant_id] -= 1
            if not self._tenant_waiting[tenant_id]:
                del self._tenant_waiting[tenant_id], self._tenant_locks[tenant_id]

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run it, and return only when it has ended, however often the task is cancelled meanwhile."""
        return await to_its_end(asyncio.get_running_loop().run_in_executor(self._threads, work))

    def run(self, job: Job, raw: bytes) -> bytes:
        """Run a job, in another process if the first was killed; blocking. Raises WorkTooExpensive, WorkerLost."""
        try:
            return self._run(job, raw)
        except WorkerLost as fault:
            if self._is_closed:
                raise
            FALLBACKS.note("heavy_process", fault)
            return self._run(job, raw)

    def _run(self, job: Job, raw: bytes) -> bytes:
        process = self._idle_or_new()
        self._busy.add(process)
        try:
            if self._is_closed:  # `close` may have run before this one was added
                raise WorkerLost("it is closed")
            return process.run(job, raw)
        finally:
            self._busy.discard(process)
            if process.is_alive:
                self._idle.append(process)
            else:
                process.close()

    def _idle_or_new(self) -> WorkProcess:
        while self._idle:
            process = self._idle.pop()
            if process.is_alive:
                return process
            process.close()
        try:
            return WorkProcess(self._module)
        except OSError as fault:
            raise WorkerLost(f"it cannot be started: {fault}") from fault


class Share:
    """One tenant's share of HeavyWork."""

    __slots__ = ("_heavy", "_tenant_id")

    def __init__(self, heavy: HeavyWork, tenant_id: int) -> None:
        self._heavy, self._tenant_id = heavy, tenant_id

    async def run(self, result_type: type[T], work: str, raw: bytes, *arguments: Any) -> T:
        """Run the job of this name (gateway/parsing/heavy_process.py). Raises WorkTooExpensive, WorkerLost."""
        async with self._heavy.slot(self._tenant_id):
            return await self._run(result_type, work, raw, CPU_S + CPU_S_PER_MB * len(raw) / MB, arguments)

    async def run_within(self, result_type: type[T], work: str, raw: bytes, grant: Callable[[], float]) -> T:
        """Run it in as many seconds of CPU as `grant` returns at its turn; the job receives them.

        Raises WorkTooExpensive, WorkerLost, and what `grant` raises.
        """
        async with self._heavy.slot(self._tenant_id):
            seconds = grant()
            return await self._run(result_type, work, raw, seconds + GRACE_S, (seconds,))

    @asynccontextmanager
    async def thread(self) -> AsyncIterator[Callable[[Callable[[], T]], Awaitable[T]]]:
        """Wait for the tenant's turn, and yield what runs work in a thread: only work that releases the lock."""
        async with self._heavy.slot(self._tenant_id):
            yield self._heavy.in_thread

    async def _run(
        self, result_type: type[T], work: str, raw: bytes, cpu_s: float, arguments: Sequence[Any]
    ) -> T:
        words = msgspec.Raw(msgspec.msgpack.encode(arguments))
        job = Job(work, words, cpu_s, MEMORY + MEMORY_PER_BYTE * len(raw))
        result = await self._heavy.in_thread(partial(self._heavy.run, job, raw))
        return msgspec.msgpack.decode(result, type=result_type)
