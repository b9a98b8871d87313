"""One load at a time for each key, shared by all tasks that wait for it.

Nothing is cached: the next call after the end of a load begins another one. Used from one event loop only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Generic, TypeVar

from gateway.values.tasks import spawn

K = TypeVar("K")
V = TypeVar("V")


class _Flight(Generic[V]):
    """A running load and how many tasks wait for it."""

    __slots__ = ("keys", "task", "waiting")

    def __init__(self, keys: Sequence[Any], task: asyncio.Task[V]) -> None:
        self.keys, self.task, self.waiting = keys, task, 0


class SingleFlight(Generic[K, V]):
    """A waiter that is cancelled or stops waiting does not end a load, with `cancel_unwaited` unless it is the last."""

    def __init__(self, *, cancel_unwaited: bool = False) -> None:
        self._cancel_unwaited = cancel_unwaited
        self._flights: dict[K, _Flight[V]] = {}

    def __len__(self) -> int:
        """How many keys have a load that can be joined."""
        return len(self._flights)

    def __contains__(self, key: K) -> bool:
        return key in self._flights

    async def run(
        self, key: K, load: Callable[[], Coroutine[Any, Any, V]], within_s: float | None = None
    ) -> V:
        """Begin the load of this key or join the running one, and return its result.

        Raises what the load raises, TimeoutError after `within_s`, CancelledError when the load is cancelled.
        """
        flight = self._flights.get(key) or self._begin([key], load())
        await self._wait([flight], within_s)
        if not flight.task.done():
            raise TimeoutError
        try:
            return flight.task.result()
        finally:
            del flight  # a failure refers to this frame by its traceback: no cycle for the garbage collector

    async def run_all(self, keys: Iterable[K], load: Callable[[Sequence[K]], Coroutine[Any, Any, V]]) -> None:
        """Return when all keys are loaded: those without a running load by one load together. Raises as `run`."""
        keys = list(dict.fromkeys(keys))
        fresh = [key for key in keys if key not in self._flights]
        if fresh:
            self._begin(fresh, load(fresh))
        flights = list(dict.fromkeys([self._flights[key] for key in keys]))
        await self._wait(flights, None)
        while flights:
            task = flights.pop().task
            try:
                if task.done():  # another one may have failed before its end
                    task.result()
            finally:
                del task

    def start(self, key: K, load: Callable[[], Coroutine[Any, Any, V]]) -> None:
        """Begin the load of this key if none is running; wait for nothing."""
        if key not in self._flights:
            self._begin([key], load())

    def forget(self) -> None:
        """Let no task join a load that has begun: it may return the state before a change. Its waiters get it."""
        self._flights = {}

    async def aclose(self) -> None:
        """Cancel the loads that can be joined, and return when they have ended."""
        running = dict.fromkeys([flight.task for flight in self._flights.values()])
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _begin(self, keys: Sequence[K], work: Coroutine[Any, Any, V]) -> _Flight[V]:
        flight = _Flight(keys, spawn(work))
        self._flights.update(dict.fromkeys(keys, flight))
        flight.task.add_done_callback(lambda _: self._ended(flight))
        return flight

    async def _wait(self, flights: Sequence[_Flight[V]], within_s: float | None) -> None:
        """Return when all have ended, when one has failed, or in time."""
        for flight in flights:
            flight.waiting += 1
        tasks = [flight.task for flight in flights]
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=within_s, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for flight in flights:
                flight.waiting -= 1
                if self._cancel_unwaited and not flight.waiting and not flight.task.done():
                    self._leave(flight)
                    flight.task.cancel()

    def _ended(self, flight: _Flight[V]) -> None:
        self._leave(flight)
        if not flight.task.cancelled():
            flight.task.exception()  # marks it as retrieved: the waiters have it, or the last one has left

    def _leave(self, flight: _Flight[V]) -> None:
        for key in flight.keys:
            if self._flights.get(key) is flight:
                del self._flights[key]
