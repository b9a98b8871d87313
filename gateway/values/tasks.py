"""Starts asyncio tasks. The event loop keeps only weak references to them, so a task that is not kept may vanish
(Python's documentation of asyncio.create_task).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_running: set[asyncio.Task[Any]] = set()


def spawn(work: Coroutine[Any, Any, T], *, name: str | None = None) -> asyncio.Task[T]:
    """Start a task and keep it until it ends. What it raises is its owner's; asyncio logs it if no owner asks."""
    task = asyncio.create_task(work, name=name)  # noqa: TID251 - the one place
    _running.add(task)
    task.add_done_callback(_running.discard)
    return task
