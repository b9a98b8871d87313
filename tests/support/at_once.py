"""Runs test steps that mostly wait at the same time instead of one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def at_once(live: Callable[[T], Awaitable[None]], ones: Iterable[T]) -> None:
    """Run all to their end. Each has its own servers; the failure of one names it, and ends the others.

    Raises an ExceptionGroup.
    """

    async def noted(one: T) -> None:
        try:
            await live(one)
        except Exception as error:
            error.add_note(f"it was {one!r}")
            raise

    async with asyncio.TaskGroup() as stories:
        for one in ones:
            stories.create_task(noted(one))
