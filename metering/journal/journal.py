"""The journal: the records of every call, on disk before anything relies on them. About 4 us per write.

open_call is written (survives a crash of the process) before the upstream is called; close_call returns when
its record is durable (survives power loss, with durability "power"). All of it is used from one event loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from gateway.values.fallback_log import FALLBACKS
from metering import failpoints
from metering.journal.disk_reserve import RETRY_S, Reserve, refuse_volatile
from metering.journal.frames import encode
from metering.journal.fsync_thread import FsyncThread
from metering.journal.group_commit import GroupCommit
from metering.journal.lag import Lag
from metering.journal.pending_close import CloseNotPersisted, PendingClose, Waiter
from metering.journal.records import Answered, Close, Mark, Open, Record, Void
from metering.journal.retry_queue import RetryQueue
from metering.journal.segments import Directory, Position

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

Durability = Literal["power", "process"]
logger = logging.getLogger(__name__)
_MIB = 1 << 20


class MeteringUnavailable(Exception):
    """Raised for a new call when its record could not be kept. Nothing was written; nothing may be sent."""

    def __init__(self, free_bytes: int, reserve_bytes: int) -> None:
        self.free_bytes, self.reserve_bytes = free_bytes, reserve_bytes
        super().__init__(
            f"the journal's disk has {free_bytes} bytes left and needs {reserve_bytes} in reserve"
        )


class Journal:
    """The journal of one process. A call closes once: later closes and voids of its id change nothing."""

    def __init__(
        self,
        root: Path,
        durability: Durability = "power",
        reserve_bytes: int = 64 * _MIB,
        segment_bytes: int = 16 * _MIB,
        *,
        allow_volatile: bool = False,
        name: str = "",
    ) -> None:
        root.mkdir(parents=True, exist_ok=True)
        if not allow_volatile:
            refuse_volatile(root)
        self.directory = Directory.create(root, name)
        self._loop = asyncio.get_running_loop()
        self._waits = durability == "power"
        self._segment_bytes = segment_bytes
        self._reserve = Reserve(self.directory.path / "reserve", reserve_bytes)
        self._syncer = FsyncThread(self._loop, self.directory.path, self._reserve, self._repair)
        self._group = GroupCommit(self._loop, self._write_ends, self._syncer.wait, self._write_with_reserve)
        self._open_ids: set[str] = set()
        self._closing_ids: set[str] = set()  # ended, but their end is not written yet
        self._unwritten_ids: set[str] = set()  # calls whose end was not written when the journal closed
        self._lag = Lag()
        self._retry_queue = RetryQueue(self._loop, lambda end: self._try_append_ends([end]))
        self._file, self._segment, self._offset = -1, 0, 0
        self._is_torn = False  # a partial frame is at the end of the segment
        self._last_number = 0  # the last segment number that was tried
        self._first_copy = 0  # the first segment that only repeats frames no sync has confirmed
        self._repair_timer: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._next_segment()

    def open_call(self, record: Open) -> None:
        """Write the OPEN. Raises MeteringUnavailable if the disk may not have room for the call's end too."""
        if not self.has_room:
            raise MeteringUnavailable(self._reserve.free_bytes, self._reserve.size)
        try:
            self._append(encode(record))
        except OSError as error:
            raise MeteringUnavailable(self._reserve.free_bytes, self._reserve.size) from error
        self._open_ids.add(record.id)

    def mark(self, record: Mark | Answered) -> None:
        """Write the progress of a call. It is an estimate: it is dropped if the disk has no room."""
        if record.id in self._open_ids:
            with FALLBACKS.noted("journal_mark", OSError):
                self._append(encode(record))

    async def close_call(self, record: Close, *, soon: bool = False) -> None:
        """Write the end; return when it is durable. It is written even if the waiting task is cancelled.

        `soon`: with all that end in this turn of the loop, so that it survives a later crash of the process; a crash
        before that is the same as one before the response was read. Else it may wait for the sync in progress. Raises
        CloseNotPersisted only if the journal closes before the disk has taken it.
        """
        if record.id not in self._open_ids:
            if record.id in self._unwritten_ids:
                raise CloseNotPersisted(record.id)
            return
        self._open_ids.discard(record.id)
        self._closing_ids.add(record.id)
        frame = encode(record)
        if self._waits:
            await self._group.add(record.id, frame, soon=soon)
            return
        for late in self._write_ends([PendingClose(record.id, frame, self._loop.create_future())]):
            await late

    def void(self, request_id: str) -> None:
        """Discard the call: it never reached a provider."""
        if request_id in self._open_ids:
            self._open_ids.discard(request_id)
            self._append_or_queue(
                PendingClose(request_id, encode(Void(request_id)), self._loop.create_future())
            )

    def rewrite_open(self, opens: Iterable[tuple[Open, Sequence[Record]]]) -> None:
        """Write the OPEN and the progress of running calls again, so that old segments can be removed."""
        for record, progress in opens:
            if record.id in self._open_ids or record.id in self._closing_ids:
                self._append(b"".join([encode(each) for each in (record, *progress)]))

    async def sync(self) -> None:
        """Return when everything written so far is durable."""
        waiter: Waiter = self._loop.create_future()
        self._syncer.wait([waiter])
        await waiter

    async def close(self, timeout_s: float = 5.0) -> None:
        """Stop. The directory is removed if all of it was shipped; otherwise the next start adopts it.

        Ends that the disk does not take in time fail with CloseNotPersisted: for the adopter, their calls still run.
        """
        self._reserve.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._group.drain()
                await self._retry_queue.drained()
                await self.sync()
        self._abandon()
        await self._loop.run_in_executor(None, self._syncer.stop)
        if not (self._unwritten_ids or self.unshipped_records):
            with suppress(OSError):  # a process that adopts the rest finds every call in the ledger
                self.directory.remove()
        self.directory.release()

    def shipped(self, position: Position) -> None:
        """Note that the ledger has every call that closed before this position."""
        self._lag.note_shipped(position, self.written)

    @property
    def has_room(self) -> bool:
        """Whether new calls may start; part of readiness."""
        return self._reserve.has_room and not self._retry_queue.ends and not self._group.is_stuck

    @property
    def written(self) -> Position:
        return Position(self._segment, self._offset)

    @property
    def syncs(self) -> int:
        return self._syncer.syncs

    @property
    def unshipped_records(self) -> int:
        return self._lag.records + len(self._retry_queue.ends)

    @property
    def oldest_unshipped_s(self) -> float:
        return self._lag.oldest_s(self._loop.time())

    def _append(self, frame: bytes) -> None:
        """Write a whole frame or nothing; raises OSError."""
        if self._is_torn or (self._offset + len(frame) > self._segment_bytes and self._offset):
            self._next_segment()
        count = os.write(self._file, frame)
        if count != len(frame):
            self._is_torn = True  # no frame may follow a partial one: if it stays, a new segment begins
            os.ftruncate(self._file, self._offset)
            self._is_torn = False
            raise OSError(f"only {count} of {len(frame)} bytes fitted")
        self._offset += count
        self._syncer.frames.append(frame)

    def _write_ends(self, ends: Sequence[PendingClose]) -> list[Waiter]:
        """Write the ends of calls, together if they fit. Returns what to await for those without room."""
        if not ends or (not self._retry_queue.ends and self._try_append_ends(ends)):
            late = []
        else:
            late = [waiter for end in ends if (waiter := self._append_or_queue(end)) is not None]
        failpoints.reach("after_close_write")
        return late

    def _append_or_queue(self, end: PendingClose) -> Waiter | None:
        """Write the end of a call, into the reserve if needed. Returns what to await if there is no room."""
        return None if self._write_with_reserve([end]) else self._retry_queue.add(end)

    def _write_with_reserve(self, ends: Sequence[PendingClose]) -> bool:
        """Write the ends of calls, into the reserve if needed; False without room, or if others wait for it."""
        if self._retry_queue.ends:
            return False
        if self._try_append_ends(ends):
            return True
        self._reserve.release()
        return self._try_append_ends(ends)

    def _try_append_ends(self, ends: Sequence[PendingClose]) -> bool:
        try:
            self._append(b"".join([end.frame for end in ends]))
        except OSError:
            return False
        written, now = Position(self._segment, self._offset), self._loop.time()
        for end in ends:
            self._closing_ids.discard(end.id)
            self._lag.count_closed(written, now)
        return True

    def _repair(self, waiters: list[Waiter]) -> None:
        """After a failed sync: write again what is not durable. A disk that keeps failing gets no new calls."""
        if self._is_closed:
            return
        if self._syncer.failures == 1:
            self._write_again(waiters)
        else:
            self._reserve.release()
            self._repair_timer = self._loop.call_later(RETRY_S, self._write_again, waiters)

    def _write_again(self, waiters: list[Waiter]) -> None:
        """Write everything that is not durable to a new segment, and sync that."""
        # The next retry is scheduled first, so that no error can end the retries.
        self._repair_timer = self._loop.call_later(RETRY_S, self._write_again, waiters)
        try:
            self._create_segment(b"".join(self._syncer.frames))
        except OSError:
            self._reserve.release()
            return
        self._repair_timer.cancel()
        if self._syncer.failures > 1:
            self._remove_copies()
        self._first_copy = self._segment
        self._syncer.replace(self._file)  # last: the thread is paused until here
        self._syncer.wait(waiters)

    def _remove_copies(self) -> None:
        """Unlink the segments whose every frame is in the current one too."""
        with suppress(OSError):
            for number in self.directory.segments():
                if self._first_copy <= number < self._segment:
                    self.directory.remove_segment(number)

    def _next_segment(self) -> None:
        self._create_segment()
        self._syncer.use(self._file)

    def _create_segment(self, data: bytes = b"") -> None:
        """Continue in a new segment that begins with this; raises OSError, and then nothing has changed."""
        self._last_number += 1
        path = self.directory.segment(self._last_number)
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            _write_whole(file, data)
        except OSError:
            with suppress(OSError):  # if it stays, its frames are only stored twice
                path.unlink()
            with suppress(OSError):
                os.close(file)
            raise
        self._file, self._segment, self._offset, self._is_torn = file, self._last_number, len(data), False

    def _abandon(self) -> None:
        """Write nothing more. Running calls and ends without room are left to the process that adopts the directory."""
        self._is_closed = True
        if self._closing_ids:
            logger.error("journal.closed_early", extra={"calls": len(self._closing_ids)})
        self._unwritten_ids, self._open_ids, self._closing_ids = (
            self._open_ids | self._closing_ids,
            set(),
            set(),
        )
        if self._repair_timer is not None:
            self._repair_timer.cancel()
        self._group.abandon()
        self._retry_queue.abandon()


def _write_whole(file: int, data: bytes) -> None:
    if data and (count := os.write(file, data)) != len(data):
        raise OSError(f"only {count} of {len(data)} bytes fitted")
