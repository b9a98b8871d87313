"""Brings this process's journal to the database, five times a second, and tells admission the totals.

A database that is away costs nothing but disk: the files wait, and the shipper tries again, ever less often.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

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
_SYNC_PATIENCE_S = 5.0  # a disk that syncs nothing must not keep the server from stopping


class AcceptsTotals(Protocol):
    """The one step of admission that the shipper takes."""

    async def publish_totals(self, posts: Sequence[WindowTotal], request_ids: Sequence[str]) -> bool: ...


class Shipper:
    """One task and one thread. `start`, `flush` and `stop` belong to the event loop."""

    def __init__(self, journal: Journal, admission: AcceptsTotals, database: str = "default") -> None:
        self._journal, self._admission = journal, admission
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="shipper")
        self._shipment = JournalLoader(journal.directory, database)
        self._position = self._read = self._shipment.tail.position  # told of up to, in the ledger up to
        self._wanted, self._moved = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        self.failures = 0  # in a row

    @property
    def rejected(self) -> int:
        """Calls that the database will never take; they are in a file beside the journal."""
        return len(self._shipment.rejected)

    @property
    def damages(self) -> int:
        return sum(not damage.gap.torn for damage in self._shipment.tail.damages)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="shipper")

    async def flush(self) -> None:
        """Return when everything written before now is in the ledger and posted, however long that takes."""
        until = self._journal.written
        while self._position < until:
            self._moved.clear()
            self._wanted.set()
            await self._moved.wait()

    async def stop(self) -> None:
        """End the task after the batch at hand, and close the thread's database connection."""
        self._is_stopping = True
        self._wanted.set()
        if self._task is not None:
            await self._task
        await self._in_thread(self._shipment.disconnect)
        self._thread.shutdown()

    async def _run(self) -> None:
        while not self._is_stopping:
            is_full = False
            try:
                is_full = await self._ship()
                self.failures = 0
            except Exception:
                self.failures += 1
                logger.exception("metering.batch.ship-failed %d times in a row", self.failures)
                await self._in_thread(self._shipment.disconnect)
            if not is_full:
                await self._pause()

    async def _ship(self) -> bool:
        """Ship one batch; True if there may be another one at once."""
        until = self._journal.written
        if self._read >= until:
            if self._position < self._read:
                await self._tell([], [])
            return False
        async with asyncio.timeout(_SYNC_PATIENCE_S):
            await self._journal.sync()  # calls that closed before now go on with it, to settle before we post
        batch = await self._in_thread(self._shipment.write, until)
        self._read = batch.position
        await self._tell(batch.posts, [call.open.id for call in batch.calls])
        if stragglers := self._shipment.stragglers():
            self._journal.rewrite_open([(call.record, call.progress) for call in stragglers])
        return len(batch.calls) == BATCH

    async def _tell(self, posts: Sequence[WindowTotal], request_ids: Sequence[str]) -> None:
        """Tell admission; only when it knows everything, the journal may forget."""
        if not await self._admission.publish_totals(posts, request_ids):
            return
        await self._in_thread(self._shipment.settle)
        self._journal.shipped(self._read)
        self._position = self._read
        self._moved.set()

    async def _pause(self) -> None:
        delay = min(_LONGEST_BACKOFF_S, INTERVAL_S * 2 ** min(self.failures, 10))
        timer = asyncio.get_running_loop().call_later(delay, self._wanted.set)
        await self._wanted.wait()
        timer.cancel()
        self._wanted.clear()

    async def _in_thread(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(work, *args, **kwargs))
