"""Notices changes made in admin, the shell or another process, and swaps in what changed.

Every change raises one number in the database in its own transaction. It is read each second, and at once when the
change was made in this process. Cost: one small query a second, in the database thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from gateway.values.fallback_log import FALLBACKS

logger = logging.getLogger(__name__)

POLL_S = 1.0


class ConfigWatcher:
    """`version` reads the number; `reload` swaps in everything for a number that was not seen before; `doubt` is called
    when a change was announced and the number cannot be read, or what it stands for.
    """

    def __init__(
        self,
        version: Callable[[], Awaitable[int]],
        reload: Callable[[int], Awaitable[None]],
        doubt: Callable[[], None],
    ) -> None:
        self._version, self._reload, self._doubt = version, reload, doubt
        self._seen = -1
        self._poke = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def check(self) -> None:
        """Reload if something changed. Raises what the database raises."""
        version = await self._version()
        if version != self._seen:
            await self._reload(version)
            self._seen = version

    def notify(self) -> None:
        """A change was announced: check now instead of at the next second. May be called from any thread."""
        self._loop.call_soon_threadsafe(self._poke.set)

    async def run(self) -> None:
        """Check for ever; an error is logged and the last good state stays in force."""
        while True:
            try:
                async with asyncio.timeout(POLL_S):
                    await self._poke.wait()
            except TimeoutError:
                pass
            was_announced = self._poke.is_set()
            self._poke.clear()
            try:
                await self.check()
            except Exception as error:  # the database may be away: serving goes on with what is known
                logger.exception("configuration could not be reloaded")
                FALLBACKS.note("configuration_of_before", error)
                if was_announced:
                    self._doubt()
