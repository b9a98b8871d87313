"""Group commit of the ends of calls: one write and one sync for all that ended during the last sync. No I/O itself.

A single end is written at once and waits for nothing else. A sync costs about 0.2 ms of CPU whatever its size, so
after a large group the next one gathers a little longer; measured: a tenth of the throughput. Ends marked `soon` are
written before that, those of one turn of the loop together: they then wait for the sync only.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from metering.journal.disk_reserve import RETRY_S
from metering.journal.pending_close import PendingClose, Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

logger = logging.getLogger(__name__)
LINGER_PER_CALL_S = 0.0006
LONGEST_LINGER_S = 0.005
CROWD = 3


class GroupCommit:
    """`write` puts ends into the journal and returns what must be awaited first; `sync` resolves waiters in order.
    `write_early` does the same, or returns False if there is no room, and then nothing has changed.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        write: Callable[[Sequence[PendingClose]], Sequence[Waiter]],
        sync: Callable[..., None],
        write_early: Callable[[Sequence[PendingClose]], bool],
    ) -> None:
        self._loop, self._write, self._sync, self._write_early = loop, write, sync, write_early
        self._gathered: list[PendingClose] = []
        self._written: list[
            PendingClose
        ] = []  # of the next group: ends that are written and wait for its sync
        self._in_flight: dict[Waiter, list[PendingClose]] = {}  # by the future that is resolved after them
        self._is_busy = False
        self._retry_timer: asyncio.TimerHandle | None = None
        self._early_write: asyncio.Handle | None = None
        self.is_stuck = False  # the gathered ends could not be written, and are retried

    async def add(self, request_id: str, frame: bytes, *, soon: bool = False) -> None:
        """Return when the frame is durable. It is written even if the waiting task is cancelled.

        `soon`: not after the sync in progress, but with all others that end in this turn of the loop.
        """
        waiter: Waiter = self._loop.create_future()
        self._gathered.append(PendingClose(request_id, frame, waiter))
        if not self._is_busy:
            self._commit()
        elif soon and self._early_write is None:
            self._early_write = self._loop.call_soon(self._write_gathered)
        await waiter

    async def drain(self) -> None:
        """Write the gathered ends, without waiting for the sync in progress; return when all are durable."""
        while self._gathered or self._written or self._in_flight:
            if self._gathered or self._written:
                self._commit()
            if self._in_flight:
                await asyncio.wait(self._in_flight)
            else:
                await asyncio.sleep(RETRY_S)

    def abandon(self) -> None:
        """Write no more; every waiter gets CloseNotPersisted."""
        for handle in (self._retry_timer, self._early_write):
            if handle is not None:
                handle.cancel()
        for ends in (self._written, self._gathered, *self._in_flight.values()):
            for end in ends:
                end.fail()
        self._gathered, self._written = [], []

    def _write_gathered(self) -> None:
        self._early_write = None
        if self._gathered and self._write_early(self._gathered):
            self._written += self._gathered
            self._gathered = []

    def _commit(self) -> None:
        """Write the gathered ends, and sync them."""
        ends, self._gathered = self._gathered, []
        self._is_busy = True
        try:
            late = self._write(ends)
        except Exception:  # whatever it was, the ends are kept and written again
            logger.exception("journal.write.failed", extra={"calls": len(ends)})
            self._put_back(ends)
            return
        self.is_stuck = False
        ends, self._written = [*self._written, *ends], []
        next_at = self._loop.time()
        if len(ends) >= CROWD:
            next_at += min(LONGEST_LINGER_S, LINGER_PER_CALL_S * len(ends))
        done: Waiter = self._loop.create_future()
        done.add_done_callback(lambda _: self._on_synced(done, next_at))
        self._in_flight[done] = ends
        waiters = [*(end.waiter for end in ends), done]
        if late:
            asyncio.gather(*late).add_done_callback(lambda all_late: self._sync_after(all_late, waiters))
        else:
            self._sync(waiters)

    def _put_back(self, ends: list[PendingClose]) -> None:
        """Keep the ends that `write` failed on. Some may be written already: a second end of a call changes nothing."""
        self._gathered[:0] = ends
        self.is_stuck = True
        if self._retry_timer is not None:
            self._retry_timer.cancel()
        self._retry_timer = self._loop.call_later(RETRY_S, self._commit_next)

    def _sync_after(self, all_late: asyncio.Future[list[None]], waiters: list[Waiter]) -> None:
        if all_late.exception() is None:  # else the journal has closed, and the waiters got the error
            self._sync(waiters)

    def _on_synced(self, done: Waiter, next_at: float) -> None:
        del self._in_flight[done]
        if next_at > self._loop.time():
            self._loop.call_at(next_at, self._commit_next)
        else:
            self._commit_next()

    def _commit_next(self) -> None:
        if self._gathered or self._written:
            self._commit()
        else:
            self._is_busy = False
