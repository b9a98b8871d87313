"""Being asked to end: once means in good order, twice means now. Shared by the server and its supervisor."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any


class Stop:
    """`asked` by the first signal, `hurried` by the second."""

    def __init__(self) -> None:
        self.asked, self.hurried = asyncio.Event(), asyncio.Event()

    def listen(self) -> None:
        """Take SIGTERM and SIGINT of this process."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.ask)

    def ask(self) -> None:
        (self.hurried if self.asked.is_set() else self.asked).set()

    async def pause(self, seconds: float, until: Coroutine[Any, Any, object] | None = None) -> None:
        """Return when that is done, when the time is over or when someone hurries, whichever is first."""
        waits: set[asyncio.Task[object]] = {asyncio.create_task(self.hurried.wait())}
        if until is not None:
            waits.add(asyncio.create_task(until))
        _, pending = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
