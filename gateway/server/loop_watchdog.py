"""Reports what blocks the event loop: a thread checks whether the loop still runs. When it has been blocked for 250 ms,
that is counted, and the loop's stack is logged, at most once a minute.

Costs ten wake-ups a second. A process that gets no CPU at all looks like a blocked loop; its stack is then of no
interest.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Final

logger = logging.getLogger(__name__)

STALL_S: Final = 0.25
BEAT_S: Final = 0.1
LOG_AGAIN_S: Final = 60.0
DEPTH: Final = 12  # frames of the stack that are logged, the innermost ones


class Watchdog:
    """`on_stall` is called for each stall, in the watchdog's thread; `clock` counts monotonic seconds."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_stall: Callable[[], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._loop, self._on_stall, self._clock = loop, on_stall, clock
        self._loop_thread = threading.get_ident()
        self._beat_at = clock()
        self._counted_at = self._logged_at = -LOG_AGAIN_S
        self._beat_handle: asyncio.TimerHandle | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Start to watch the loop of this thread."""
        self.beat()
        self._thread.start()

    def stop(self) -> None:
        if self._beat_handle is not None:
            self._beat_handle.cancel()
        self._end.set()
        self._thread.join()

    def check(self) -> None:
        """Count a stall once, however long it lasts, and log it unless one was logged in the last minute."""
        now, beat_at = self._clock(), self._beat_at
        if now - beat_at < STALL_S + BEAT_S or self._counted_at == beat_at:
            return
        self._counted_at = beat_at
        if now - self._logged_at >= LOG_AGAIN_S:
            self._logged_at = now
            seconds = round(now - beat_at - BEAT_S, 3)
            logger.warning("event_loop.stalled", extra={"seconds": seconds, "stack": self._stack()})
        self._on_stall()

    def beat(self) -> None:
        """Record that the loop runs."""
        self._beat_at = self._clock()
        self._beat_handle = self._loop.call_later(BEAT_S, self.beat)

    def _run(self) -> None:
        while not self._end.wait(BEAT_S):
            self.check()

    def _stack(self) -> str:
        """The loop's innermost frames.

        The loop's thread goes on meanwhile, so one call in C reads them: a frame that is walked from Python may be gone
        at the next step, and CPython 3.11 then returns what reused its memory.
        """
        with tempfile.TemporaryFile() as file:
            faulthandler.dump_traceback(file)
            file.seek(0)
            stacks = file.read().decode(errors="replace").split("\n\n")
        mark = f"0x{self._loop_thread:016x} "
        own_stack = next((stack for stack in stacks if mark in stack.partition("\n")[0]), "")
        return "\n".join(own_stack.splitlines()[1 : DEPTH + 1])
