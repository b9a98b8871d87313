"""Ships this process's journal to the database, five times a second, and publishes the totals to admission.

A database that is unavailable costs only disk: the files wait, and the shipper retries with growing delays.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

from gateway.values.tasks import spawn
from metering.ledger.journal_loader import BATCH, JournalLoader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from budgets.admission.interface import WindowTotal
    from metering.journal.journal import Journal

P = ParamSpec("P")
R = TypeVar("R")
logger = logging.getLogger(__name__)
INTERVAL_S = 0.2
_LONGEST_BACKOFF_S = 5.0
_SYNC_TIMEOUT_S = 5.0  # a disk that cannot sync must not keep the server from stopping


class AcceptsTotals(Protocol):
    """The one method of admission that the shipper uses."""

    async def publish_totals(self, posts: Sequence[WindowTotal], request_ids: Sequence[str]) -> bool: ...


class Shipper:
    """One task and one thread. Call `start`, `flush` and `stop` from the event loop."""

    def __init__(self, journal: Journal, admission: AcceptsTotals, database: str = "default") -> None:
        self._journal, self._admission = journal, admission
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="shipper")
        self._loader = JournalLoader(journal.directory, database)
        self._position = self._read = self._loader.reader.position  # published up to, in the ledger up to
        self._wake, self._has_shipped = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        self.failures = 0  # in a row

    @property
    def rejected(self) -> int:
        """Calls that the database never accepts; they are in a file beside the journal."""
        return len(self._loader.rejected)

    @property
    def damages(self) -> int:
        return sum(not damage.gap.torn for damage in self._loader.reader.damages)

    def start(self) -> None:
        self._task = spawn(self._run(), name="shipper")

    async def flush(self) -> None:
        """Return when everything written before now is in the ledger and published, however long that takes."""
        until = self._journal.written
        while self._position < until:
            self._has_shipped.clear()
            self._wake.set()
            await self._has_shipped.wait()

    async def stop(self) -> None:
        """End the task after the current batch, and close the thread's database connection."""
        self._is_stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task
        await self._in_thread(self._loader.disconnect)
        self._thread.shutdown()

    async def _run(self) -> None:
        while not self._is_stopping:
            is_full = False
            try:
                is_full = await self._ship()
                self.failures = 0
            except Exception:  # the journal keeps everything until the database takes it
                self.failures += 1
                logger.exception("ledger.batch.failed", extra={"failures": self.failures})
                await self._in_thread(self._loader.disconnect)
            if not is_full:
                await self._pause()

    async def _ship(self) -> bool:
        """Ship one batch; True if another one may follow at once."""
        until = self._journal.written
        if self._read >= until:
            if self._position < self._read:
                await self._publish([], [])
            return False
        async with asyncio.timeout(_SYNC_TIMEOUT_S):
            await self._journal.sync()  # calls that closed before now resume, and settle before the totals go
        batch = await self._in_thread(self._loader.write, until)
        self._read = batch.position
        await self._publish(batch.posts, [call.open.id for call in batch.calls])
        if long_running := self._loader.long_running():
            self._journal.rewrite_open([(call.record, call.progress) for call in long_running])
        return len(batch.calls) == BATCH

    async def _publish(self, posts: Sequence[WindowTotal], request_ids: Sequence[str]) -> None:
        """Publish the totals; only when admission has all of them may the journal drop its records."""
        if not await self._admission.publish_totals(posts, request_ids):
            return
        await self._in_thread(self._loader.settle)
        self._journal.shipped(self._read)
        self._position = self._read
        self._has_shipped.set()

    async def _pause(self) -> None:
        delay = min(_LONGEST_BACKOFF_S, INTERVAL_S * 2 ** min(self.failures, 10))
        timer = asyncio.get_running_loop().call_later(delay, self._wake.set)
        await self._wake.wait()
        timer.cancel()
        self._wake.clear()

    async def _in_thread(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(work, *args, **kwargs))
