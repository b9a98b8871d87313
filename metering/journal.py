"""The journal: what happened to every call, on disk before anyone can rely on it. About 4 us per write.

open_call is written (survives the death of the process) before the upstream is asked; close_call returns when
its record is durable (survives power loss, with durability "power"). All of it belongs to one event loop.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from metering import failpoints
from metering.disk import Reserve, refuse_volatile
from metering.frames import encode
from metering.group import End, Group, Waiter
from metering.lag import Lag
from metering.records import Close, Mark, Open, Void
from metering.segments import Directory, Position
from metering.syncer import Syncer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

Durability = Literal["power", "process"]
_RETRY_S = 0.1
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
        self._syncer = Syncer(self._loop, self.directory.path, self._reserve, self._write_again)
        self._group = Group(self._loop, self._write_ends, self._syncer.wait)
        self._live: set[str] = set()
        self._closing: set[str] = set()  # over, but their end is not written yet
        self._lag = Lag()
        self._backlog: deque[End] = deque()  # those that the disk had no room for
        self._file, self._segment, self._offset = -1, 0, 0
        self._next_segment()

    def open_call(self, record: Open) -> None:
        """Write the intent down. Raises MeteringUnavailable if the disk may not have room for its end too."""
        if not self.has_room:
            raise MeteringUnavailable(self._reserve.free_bytes, self._reserve.size)
        try:
            self._append(encode(record))
        except OSError as error:
            raise MeteringUnavailable(self._reserve.free_bytes, self._reserve.size) from error
        self._live.add(record.id)

    def mark(self, record: Mark) -> None:
        """Note the progress of a stream. It is an estimate: a disk without room drops it."""
        if record.id in self._live:
            with suppress(OSError):
                self._append(encode(record))

    async def close_call(self, record: Close) -> None:
        """Write the end down; return when it is durable. It will be written even if whoever waits is canceled."""
        if record.id not in self._live:
            return
        self._live.discard(record.id)
        self._closing.add(record.id)
        frame = encode(record)
        if self._waits:
            await self._group.join(record.id, frame)
            return
        for late in self._write_ends([End(record.id, frame, self._loop.create_future())]):
            await late

    def void(self, request_id: str) -> None:
        """Forget the call: it never reached a provider."""
        if request_id in self._live:
            self._live.discard(request_id)
            self._append_surely(End(request_id, encode(Void(request_id)), self._loop.create_future()))

    def carry(self, opens: Iterable[tuple[Open, int]]) -> None:
        """Write the OPEN and the last mark of calls that still run again, so that old segments can go."""
        for record, output_tokens in opens:
            if record.id in self._live or record.id in self._closing:
                self._append(
                    encode(record) + (encode(Mark(record.id, output_tokens)) if output_tokens else b"")
                )

    async def sync(self) -> None:
        """Return when everything written so far is durable."""
        waiter: Waiter = self._loop.create_future()
        self._syncer.wait([waiter])
        await waiter

    async def close(self, patience_s: float = 5.0) -> None:
        """Stop. The directory goes if all of it was shipped; otherwise the next start adopts it."""
        self._group.commit()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while self._backlog:
                    await asyncio.shield(self._backlog[0].waiter)
        await self._loop.run_in_executor(None, self._syncer.stop)
        self._reserve.release()
        if self._live or self.unshipped_records:
            self.directory.release()
        else:
            self.directory.remove()

    def shipped(self, position: Position) -> None:
        """Take note that the ledger has every call that closed before this place."""
        self._lag.ship(position, self.written)

    @property
    def has_room(self) -> bool:
        """Whether new calls may start; part of readiness."""
        return self._reserve.has_room and not self._backlog

    @property
    def written(self) -> Position:
        return Position(self._segment, self._offset)

    @property
    def syncs(self) -> int:
        return self._syncer.syncs

    @property
    def unshipped_records(self) -> int:
        return self._lag.records + len(self._backlog)

    @property
    def oldest_unshipped_s(self) -> float:
        return self._lag.oldest_s(self._loop.time())

    def _append(self, frame: bytes) -> None:
        """Write a whole frame or nothing; raises OSError."""
        if self._offset + len(frame) > self._segment_bytes and self._offset:
            self._next_segment()
        count = os.write(self._file, frame)
        if count != len(frame):
            os.ftruncate(self._file, self._offset)
            raise OSError(f"only {count} of {len(frame)} bytes fitted")
        self._offset += count
        self._syncer.frames.append(frame)

    def _write_ends(self, ends: Sequence[End]) -> list[Waiter]:
        """Write the ends of calls, together if they fit. Returns what to await for those that found no room."""
        if not ends or (not self._backlog and self._try_append_ends(ends)):
            late = []
        else:
            late = [waiter for end in ends if (waiter := self._append_surely(end)) is not None]
        failpoints.reach("after_close_write")
        return late

    def _append_surely(self, end: End) -> Waiter | None:
        """Write the end of a call, into the reserve if need be. Returns what to await if there is no room."""
        if not self._backlog:
            if self._try_append_ends([end]):
                return None
            self._reserve.release()
            if self._try_append_ends([end]):
                return None
            self._loop.call_later(_RETRY_S, self._retry)
        late: Waiter = self._loop.create_future()
        self._backlog.append(end._replace(waiter=late))
        return late

    def _try_append_ends(self, ends: Sequence[End]) -> bool:
        try:
            self._append(b"".join([end.frame for end in ends]))
        except OSError:
            return False
        now = self._loop.time()
        for end in ends:
            self._closing.discard(end.id)
            self._lag.close(self.written, now)
        return True

    def _retry(self) -> None:
        while self._backlog:
            if not self._try_append_ends([self._backlog[0]]):
                self._loop.call_later(_RETRY_S, self._retry)
                return
            late = self._backlog.popleft().waiter
            if not late.done():
                late.set_result(None)

    def _write_again(self, waiters: list[Waiter]) -> None:
        """After a failed sync: put everything that is not durable into a fresh segment, and sync that."""
        frames = list(self._syncer.frames)
        data = b"".join(frames)
        file = -1
        try:
            file = self._create_segment()
            whole = os.write(file, data) == len(data)
        except OSError:
            whole = False
        if not whole:  # what did fit is only there twice, which harms nobody
            if file >= 0:
                os.close(file)
            self._loop.call_later(_RETRY_S, self._write_again, waiters)
            return
        self._file, self._offset = file, len(data)
        self._syncer.replace(file)
        self._syncer.wait(waiters)

    def _next_segment(self) -> None:
        self._file, self._offset = self._create_segment(), 0
        self._syncer.use(self._file)

    def _create_segment(self) -> int:
        path = self.directory.segment(self._segment + 1)
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._segment += 1
        return file
