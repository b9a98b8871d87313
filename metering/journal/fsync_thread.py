"""One thread that makes written frames durable and watches the disk.

A waiter is woken when an fdatasync that began after its write has finished. One call_soon_threadsafe per sync.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from metering.journal.pending_close import Waiter
from metering.journal.segments import sync_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from metering.journal.disk_reserve import Reserve

logger = logging.getLogger(__name__)
FLUSH_S = 0.2  # frames without a waiter are durable after this


class FsyncThread:
    """Owns the thread. The loop appends to `frames` and calls the public methods; the thread does the rest.

    After a failed sync the kernel may have dropped the pages and report the next one as a success. So the thread
    pauses until `on_failure`, in the loop, has written all `frames` again and passed the new file to
    `replace`; if the journal closes before that, it syncs nothing more. Nothing else ends the thread.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        directory: Path,
        reserve: Reserve,
        on_failure: Callable[[list[Waiter]], None],
    ) -> None:
        self.frames: list[bytes] = []  # written, but not known to be durable
        self.syncs = 0
        self.failures = 0  # in a row
        self._loop, self._directory, self._reserve, self._on_failure = loop, directory, reserve, on_failure
        self._queue: SimpleQueue[Sequence[Waiter] | None] = SimpleQueue()
        self._lock = threading.Lock()  # guards the next two
        self._files: list[int] = []  # the last one is being written, the others have their last bytes to sync
        self._has_new_name = False
        self._is_replaced = threading.Event()
        self._is_stopping = False
        self._checked_at = 0.0
        self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)
        self._thread.start()

    def use(self, file: int) -> None:
        """Sync this file from now on; the one before is synced once more and closed."""
        with self._lock:
            self._files.append(file)
            self._has_new_name = True

    def replace(self, file: int) -> None:
        """Drop the files whose sync failed: all `frames` are in this one now."""
        with self._lock:
            stale, self._files = self._files, [file]
            self._has_new_name = True
        for old in stale:
            _close(old)
        self._is_replaced.set()

    def wait(self, waiters: Sequence[Waiter]) -> None:
        """Resolve the waiters, in order, once everything written before now is durable."""
        self._queue.put(waiters)

    def stop(self) -> None:
        """Sync what is left, end the thread, close the files. Blocks; `on_failure` is not called for the last sync."""
        self._is_stopping = True
        self._queue.put(None)
        self._is_replaced.set()
        self._thread.join()
        for file in self._files:
            _close(file)
        self._files = []

    def _run(self) -> None:
        running = True
        while running:
            requests = self._next_requests()
            running = None not in requests
            waiters = [waiter for waiters in requests if waiters is not None for waiter in waiters]
            try:
                self._serve(waiters)
            except Exception:  # without this thread no call ever ends
                if not self.failures:
                    logger.exception("journal.sync.failed")
                self.failures += 1
                running = running and self._wait_for_repair(waiters)
            else:
                if waiters:
                    self._call_in_loop(_resolve, waiters)

    def _serve(self, waiters: list[Waiter]) -> None:
        if not self.failures:  # a failing disk has no room for new calls, whatever it reports
            self._watch_disk()
        if waiters or self.frames or self.failures:
            self._sync()

    def _wait_for_repair(self, waiters: list[Waiter]) -> bool:
        """Wait until all is written elsewhere. False: the journal closes; no sync of these files can be trusted."""
        self._is_replaced.clear()
        self._call_in_loop(self._on_failure, waiters)
        if not self._is_stopping:
            self._is_replaced.wait()
        return not self._is_stopping

    def _next_requests(self) -> list[Sequence[Waiter] | None]:
        try:
            first = self._queue.get(timeout=FLUSH_S)
        except Empty:
            return []
        return [first, *(self._queue.get_nowait() for _ in range(self._queue.qsize()))]

    def _sync(self) -> None:
        count = len(self.frames)  # read first: these frames are in the files that are read next
        with self._lock:
            files, has_new_name, self._has_new_name = tuple(self._files), self._has_new_name, False
        if has_new_name:
            sync_directory(self._directory)
        for file in files:
            os.fdatasync(file)
        self.syncs += 1
        self.failures = 0
        del self.frames[:count]
        with self._lock:
            del self._files[: len(files) - 1]
        for file in files[:-1]:
            _close(file)

    def _watch_disk(self) -> None:
        now = time.monotonic()
        if now - self._checked_at >= FLUSH_S:
            self._checked_at = now
            self._reserve.refresh()

    def _call_in_loop(self, callback: Callable[[list[Waiter]], None], waiters: list[Waiter]) -> None:
        with suppress(RuntimeError):  # the loop is closed: there is no waiter any more
            self._loop.call_soon_threadsafe(callback, waiters)


def _resolve(waiters: list[Waiter]) -> None:
    for waiter in waiters:
        if not waiter.done():  # a cancelled call no longer waits
            waiter.set_result(None)


def _close(file: int) -> None:
    with suppress(OSError):  # it is synced or dropped, and the descriptor is gone whatever close returns
        os.close(file)
