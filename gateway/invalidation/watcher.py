"""Detects changes made in admin, the shell or another process, and swaps in what changed.

Every change increments one number in the database in its own transaction. It is read each second, and at once when the
change was made in this process. Cost: one small query a second, in the database thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway.values.fallback_log import FALLBACKS

logger = logging.getLogger(__name__)

POLL_S = 1.0


class Reloader(Protocol):
    """Swaps in what changed (gateway/server/config_reloader.py)."""

    @property
    def is_due(self) -> bool:
        """Whether something changed by the clock, without another number."""
        ...

    async def reload(self, version: int) -> None:
        """Read everything of this version and swap it in."""
        ...


class ConfigWatcher:
    """`version` reads the number; the reloader swaps in everything for a number that was not seen before.

    `on_unreadable` is called when a change was announced and the number, or what it stands for, cannot be read.
    """

    def __init__(
        self,
        version: Callable[[], Awaitable[int]],
        reloader: Reloader,
        on_unreadable: Callable[[], None],
    ) -> None:
        self._version, self._reloader, self._on_unreadable = version, reloader, on_unreadable
        self._seen_version = -1
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def check(self) -> None:
        """Reload if something changed. Raises what the database raises."""
        version = await self._version()
        if version != self._seen_version or self._reloader.is_due:
            await self._reloader.reload(version)
            self._seen_version = version

    def notify(self) -> None:
        """Check now instead of at the next second, as a change was announced. May be called from any thread."""
        self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Check forever; an error is logged and the last good state stays in force."""
        while True:
            try:
                async with asyncio.timeout(POLL_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            was_announced = self._wake.is_set()
            self._wake.clear()
            try:
                await self.check()
            except Exception as error:  # the database may be unavailable: serving goes on with the last state
                logger.exception("configuration.not_reloaded")
                FALLBACKS.note("configuration_of_before", error)
                if was_announced:
                    self._on_unreadable()
