"""The threads in which a serving process queries its database: the event loop never does."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import close_old_connections, connections

T = TypeVar("T")

COUNT = 2
KEPT_S = 30.0

InDatabase = Callable[..., Awaitable[Any]]  # runs a blocking function in a thread of the database


class DatabaseThreads:
    """On PostgreSQL a connection goes back to the pool after each use. On SQLite each thread keeps its own for a while:
    opening one takes longer than most of the queries that run every second.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(COUNT, thread_name_prefix="database")

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run a blocking function in one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(
            self._executor, _with_connection(work), *arguments
        )

    async def close(self) -> None:
        """End the threads, without waiting for one that hangs in its database."""
        try:
            if connections["default"].vendor == "sqlite":  # the last to close leaves no log beside the file
                await self._close_connections()
        finally:
            self._executor.shutdown(wait=False, cancel_futures=True)

    async def _close_connections(self) -> None:
        together = threading.Barrier(COUNT)  # otherwise one thread would run it twice

        def close() -> None:
            together.wait()
            connections.close_all()

        loop = asyncio.get_running_loop()
        try:
            await asyncio.gather(*(loop.run_in_executor(self._executor, close) for _ in range(COUNT)))
        finally:
            together.abort()


def _with_connection(work: Callable[..., T]) -> Callable[..., T]:
    def run(*arguments: Any) -> T:
        close_old_connections()
        try:
            return work(*arguments)
        finally:
            _extend_connections()
            close_old_connections()

    return run


def _extend_connections() -> None:
    """Let SQLite's connection be closed in `KEPT_S`, not at once as Django would; after an error, at once.

    A permanent one would read a file that has long been replaced by another. After an error Django asks the connection
    whether it is usable, and SQLite's returns true for anything.
    """
    now = time.monotonic()
    for connection in connections.all(initialized_only=True):
        if connection.vendor != "sqlite":
            continue
        if connection.errors_occurred:
            connection.close()
        elif connection.close_at is not None and connection.close_at <= now:
            connection.close_at = now + KEPT_S
