"""Requests to shut down: as soon as the calls allow, in order, or now. Shared by the server and its supervisor.

No part of a shutdown may block the rest for ever: each has a timeout (`in_time`), and so has the whole (`end_within`).
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Final

from gateway.values.tasks import spawn

logger = logging.getLogger(__name__)

EXIT_S: Final = 15.0  # beyond the drain: what a worker needs to ship, sync and close
KILL_S: Final = 10.0  # beyond that, after the second signal
THREADS_S: Final = 10.0  # everything is closed: the interpreter still waits for its threads
CANCEL_AGAIN_S: Final = 1.0
_STDERR: Final = 2


def end_within(seconds: float) -> None:
    """End this process after so many seconds with code 1, whatever blocks it, and log the stacks of its threads.

    What is not closed by then is as after a kill: the journal is adopted. Done by a thread of faulthandler, which needs
    neither the loop nor the GIL. A later call replaces the one before.
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=_STDERR)


async def in_time(seconds: float, part: str, work: Awaitable[object]) -> bool:
    """Wait for a part of the shutdown until its timeout, then go on; its errors are logged. True: it was done.

    Cancelling alone is not enough: work that swallows it, or runs in a thread, would block everything after it.
    """
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        task.cancel()
        logger.error("shutdown.part.left_behind", extra={"part": part, "seconds": seconds})
        return False
    if task.cancelled():
        return True
    if error := task.exception():
        logger.error("shutdown.part.failed", extra={"part": part}, exc_info=error)
    return error is None


async def ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel these, again each second, and return when all have ended.

    Once is not enough: `asyncio.wait_for` of Python 3.11, through which redis-py writes, swallows a cancellation that
    comes in the turn in which its work is done, and the task goes on for ever.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)


class ShutdownSignal:
    """`requested`: accept nothing new. `ordered`: end within the grace period; not set for a worker that is only
    replaced, whose calls may take their time. `forced`: end now, by the next signal.

    `set_time_limit` is called with the seconds that the shutdown may still take: `grace_s`, and the closing time.
    """

    def __init__(self, set_time_limit: Callable[[float], object] = lambda _: None) -> None:
        self.requested, self.ordered, self.forced = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.grace_s = 0.0
        self._set_time_limit = set_time_limit

    def install(self) -> None:
        """Handle SIGTERM and SIGINT of this process."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.request)

    def listen_for_retirement(self) -> None:
        """Handle SIGHUP as well: another worker has replaced this one."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.requested.set)

    def request(self) -> None:
        if not self.ordered.is_set():
            self.limit_time()
            self.ordered.set()
        elif not self.forced.is_set():
            self._set_time_limit(EXIT_S + KILL_S)
            self.forced.set()
        self.requested.set()

    def limit_time(self) -> None:
        """End this process within the grace period and the closing time, whatever its loop does. From any thread."""
        self._set_time_limit(self.grace_s + EXIT_S + KILL_S)

    async def wait(self, seconds: float, until: Coroutine[Any, Any, object] | None = None) -> None:
        """Return when `until` is done, after `seconds`, or when the shutdown is forced, whichever is first."""
        await self._wait(seconds, self.forced, until)

    async def pause_unless_ordered(self, seconds: float, until: Coroutine[Any, Any, object]) -> None:
        """The same, but return as well when the shutdown is ordered."""
        await self._wait(seconds, self.ordered, until)

    async def _wait(
        self, seconds: float, sooner: asyncio.Event, until: Coroutine[Any, Any, object] | None
    ) -> None:
        waits: set[asyncio.Task[object]] = {spawn(sooner.wait())}
        if until is not None:
            waits.add(spawn(until))
        _, pending = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
