"""The calls in flight in this process: for marks, lease renewal, stopping and draining. In memory only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final, TypeVar

from gateway.values.stop_reason import StopReason
from gateway.values.tasks import spawn
from metering.journal.journal import Journal
from metering.journal.records import Mark, Open
from providers.dialects.base import Stream
from providers.resilience.plan import CallProgress
from tenants.caller import Caller

T = TypeVar("T")
FRAME_BYTES: Final = 1024  # of an event, that are not content


class InFlightCall:
    """One call between its OPEN and its CLOSE. `stop_reason` is set if the gateway ends it."""

    __slots__ = ("caller", "last_mark", "progress", "record", "stop_reason", "stream", "task")

    def __init__(self, record: Open, caller: Caller, task: asyncio.Task[object] | None) -> None:
        self.record, self.caller, self.task = record, caller, task
        self.stream: Stream | None = None
        self.progress: CallProgress | None = None  # has the stream before its first content
        self.last_mark: Mark | None = None
        self.stop_reason: StopReason | None = None

    def stop(self, reason: StopReason) -> None:
        """Cancel the call at its next await; it is accounted as it stands. The first reason counts."""
        if self.stop_reason is None and self.task is not None:
            self.stop_reason = reason
            self.task.cancel()


class InFlightCalls:
    """All calls in flight, by request id."""

    def __init__(self) -> None:
        self._calls: dict[str, InFlightCall] = {}
        self._finishing: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[InFlightCall]:
        return iter(list(self._calls.values()))

    @property
    def ids(self) -> list[str]:
        return list(self._calls)

    def add(self, call: InFlightCall) -> None:
        self._calls[call.record.id] = call
        self._idle.clear()

    def remove(self, request_id: str) -> None:
        self._calls.pop(request_id, None)
        if not self._calls:
            self._idle.set()

    async def wait_until_idle(self) -> None:
        """Return when no call is in flight and every end has been written."""
        await self._idle.wait()
        if self._finishing:
            await asyncio.wait(self._finishing)

    def run_in_background(self, work: Coroutine[Any, Any, object]) -> None:
        """Run this to its end, even if the caller is cancelled."""
        _ = self._start(work)

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = spawn(work)
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)
        return task

    async def run_to_completion(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for this; if the wait is cancelled, the work still finishes."""
        return await asyncio.shield(self._start(work))

    def write_marks(self, journal: Journal) -> None:
        """Record in the journal what each stream has produced since its last mark."""
        for call in list(self._calls.values()):
            stream = call.stream or (call.progress.stream if call.progress is not None else None)
            if stream is None:
                continue
            produced = stream.produced_bytes + max(0, stream.unfinished_bytes - FRAME_BYTES)
            mark = Mark(call.record.id, stream.produced_events, produced, stream.sound_chars)
            if mark != call.last_mark and (produced or mark.output_tokens or mark.sound_chars):
                call.last_mark = mark
                journal.mark(mark)

    def stop_where(self, matches: Callable[[InFlightCall], StopReason | None]) -> int:
        """Stop every call for which `matches` returns a reason; return how many."""
        stopped = 0
        for call in list(self._calls.values()):
            reason = matches(call)
            if reason is not None:
                call.stop(reason)
                stopped += 1
        return stopped
