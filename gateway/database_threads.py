"""The threads in which a serving process asks its database: the event loop never does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import connections

T = TypeVar("T")

COUNT = 2


class DatabaseThreads:
    """On PostgreSQL a connection goes back to the pool after each use. On SQLite each thread keeps its own: opening
    one takes longer than most of the queries that are asked every second.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(COUNT, thread_name_prefix="database")

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run a blocking function in one of them."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, _asking(work), *arguments)

    async def close(self) -> None:
        """End them, without waiting for one that hangs in its database."""
        try:
            if (
                connections["default"].vendor == "sqlite"
            ):  # the last one that closes leaves no log beside the file
                await self._close_connections()
        finally:
            self._executor.shutdown(wait=False, cancel_futures=True)

    async def _close_connections(self) -> None:
        together = threading.Barrier(COUNT)  # or one of them would do it twice

        def close() -> None:
            together.wait()
            connections.close_all()

        loop = asyncio.get_running_loop()
        try:
            await asyncio.gather(*(loop.run_in_executor(self._executor, close) for _ in range(COUNT)))
        finally:
            together.abort()


def _asking(work: Callable[..., T]) -> Callable[..., T]:
    def ask(*arguments: Any) -> T:
        _drop_broken()
        try:
            return work(*arguments)
        finally:
            _drop_broken()

    return ask


def _drop_broken() -> None:
    """Close what broke while it was idle or in use, and what is not kept."""
    for connection in connections.all(initialized_only=True):
        if connection.vendor == "sqlite":
            connection.close_at = None
        connection.close_if_unusable_or_obsolete()
