"""The ends of calls that the disk had no room for: kept in memory, in order, and retried ten times a second."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from metering.journal.disk_reserve import RETRY_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from metering.journal.pending_close import PendingClose, Waiter


class RetryQueue:
    """`write` puts an end into the journal, and returns whether it could. Used from one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, write: Callable[[PendingClose], bool]) -> None:
        self.ends: deque[PendingClose] = deque()
        self._loop, self._write = loop, write
        self._timer: asyncio.TimerHandle | None = None
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    def add(self, end: PendingClose) -> Waiter:
        """Take an end over. Returns a future that is done once it is written."""
        written: Waiter = self._loop.create_future()
        self.ends.append(end._replace(waiter=written))
        if self._is_empty.is_set():
            self._is_empty.clear()
            self._timer = self._loop.call_later(RETRY_S, self._retry)
        return written

    async def drained(self) -> None:
        """Return when every end is written, however long that takes."""
        await self._is_empty.wait()

    def abandon(self) -> None:
        """Stop retrying; the ends stay here to be counted."""
        if self._timer is not None:
            self._timer.cancel()
        for end in self.ends:
            end.fail()

    def _retry(self) -> None:
        # The next retry is scheduled first, so that no error can end the retries.
        self._timer = self._loop.call_later(RETRY_S, self._retry)
        while self.ends and self._write(self.ends[0]):
            written = self.ends.popleft().waiter
            if not written.done():
                written.set_result(None)
        if not self.ends:
            self._timer.cancel()
            self._is_empty.set()
