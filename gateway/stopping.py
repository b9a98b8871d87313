"""Being asked to end: as soon as the calls allow, in good order, or now. Shared by the server and its supervisor."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any


class Stop:
    """`asked`: take on nothing new. `ordered`: end within the grace; not set for a worker that is only replaced, whose
    calls may take their time. `hurried`: end now, by the next signal.
    """

    def __init__(self) -> None:
        self.asked, self.ordered, self.hurried = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def listen(self) -> None:
        """Take SIGTERM and SIGINT of this process."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.ask)

    def listen_for_retirement(self) -> None:
        """Take SIGHUP as well: another worker is there in the place of this one."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.asked.set)

    def ask(self) -> None:
        (self.hurried if self.ordered.is_set() else self.ordered).set()
        self.asked.set()

    async def pause(self, seconds: float, until: Coroutine[Any, Any, object] | None = None) -> None:
        """Return when that is done, when the time is over or when someone hurries, whichever is first."""
        await self._wait(seconds, self.hurried, until)

    async def pause_unless_ordered(self, seconds: float, until: Coroutine[Any, Any, object]) -> None:
        """Do the same, but return as well when the end is ordered."""
        await self._wait(seconds, self.ordered, until)

    async def _wait(
        self, seconds: float, sooner: asyncio.Event, until: Coroutine[Any, Any, object] | None
    ) -> None:
        waits: set[asyncio.Task[object]] = {asyncio.create_task(sooner.wait())}
        if until is not None:
            waits.add(asyncio.create_task(until))
        _, pending = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
