"""Waits for what another thread, process or disk does: repeats a check until it holds, and reports the last answer."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

WITHIN_S = 30.0  # a bound for what never comes; nothing is judged by it
FIRST_PAUSE_S = 0.005
LONGEST_PAUSE_S = 0.1


class NeverHeld(AssertionError):
    """The condition did not become true in time; the text has the last value."""


@overload
async def eventually(
    read: Callable[[], Awaitable[T]],
    holds: Callable[[T], object] = bool,
    *,
    within_s: float = WITHIN_S,
    despite: tuple[type[BaseException], ...] = (),
    longest_pause_s: float = LONGEST_PAUSE_S,
) -> T: ...


@overload
async def eventually(
    read: Callable[[], T],
    holds: Callable[[T], object] = bool,
    *,
    within_s: float = WITHIN_S,
    despite: tuple[type[BaseException], ...] = (),
    longest_pause_s: float = LONGEST_PAUSE_S,
) -> T: ...


async def eventually(
    read: Callable[[], Any],
    holds: Callable[[Any], object] = bool,
    *,
    within_s: float = WITHIN_S,
    despite: tuple[type[BaseException], ...] = (),
    longest_pause_s: float = LONGEST_PAUSE_S,
) -> Any:
    """Read until the value holds, and return that value. `despite` names errors of reading that mean "not yet".

    What takes many seconds and is dear to read is asked less often by a longer `longest_pause_s`.

    Raises NeverHeld with the last value, or the last error, after `within_s`.
    """
    turns = _Turns(within_s, longest_pause_s)
    while True:
        try:
            value = read()
            if inspect.isawaitable(value):
                value = await value
        except despite as error:
            turns.last = error
        else:
            if holds(value):
                return value
            turns.last = value
        await asyncio.sleep(turns.next_pause_s())


def wait_until(
    read: Callable[[], T],
    holds: Callable[[T], object] = bool,
    *,
    within_s: float = WITHIN_S,
    despite: tuple[type[BaseException], ...] = (),
) -> T:
    """Do what `eventually` does, in a test without a loop."""
    turns, rest = _Turns(within_s, LONGEST_PAUSE_S), threading.Event()
    while True:
        try:
            value = read()
        except despite as error:
            turns.last = error
        else:
            if holds(value):
                return value
            turns.last = value
        rest.wait(turns.next_pause_s())


class _Turns:
    """The pause between two reads: short at first, so that a quick change is found quickly."""

    def __init__(self, within_s: float, longest_pause_s: float) -> None:
        self._within_s, self._longest_pause_s = within_s, longest_pause_s
        self._deadline = time.monotonic() + within_s
        self._pause_s = FIRST_PAUSE_S
        self.last: object = None

    def next_pause_s(self) -> float:
        """Raises NeverHeld when the time is over."""
        if time.monotonic() > self._deadline:
            raise NeverHeld(f"it did not hold within {self._within_s:g} s; the last value was {self.last!r}")
        pause, self._pause_s = self._pause_s, min(self._pause_s * 1.5, self._longest_pause_s)
        return pause
