"""The summed metrics of all workers of a supervisor, sent to the worker that was scraped.

Each collection queries every worker, a second at most. The last metrics of an ended worker are kept, so the sums never
fall: a killed worker loses what it counted since the last collection, and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import msgspec

from gateway.observability.metrics_aggregation import Family, growing, merged
from gateway.supervisor.worker import Worker
from gateway.supervisor.worker_state import State, together
from gateway.values.tasks import spawn

WITHIN_S = 1.0


class MetricsCollector:
    """`living` is the supervisor's own set. One collection at a time, shared by all requests meanwhile."""

    def __init__(self, living: Collection[Worker]) -> None:
        self._living = living
        self._past: list[Family] = []
        self._asking: list[Worker] = []
        self._look: asyncio.Task[None] | None = None

    def ask(self, worker: Worker) -> None:
        """Send the sums to this worker soon."""
        self._asking.append(worker)
        if self._look is None or self._look.done():
            self._look = spawn(self._answer())

    def state_of_all(self, _: Worker) -> State:
        """Return the state of all workers together, as each has sent it last."""
        return together(each.state for each in self._living if each.state is not None)

    def keep(self, worker: Worker) -> None:
        """Keep the counts of an ended worker."""
        self._past = merged((self._past, growing(worker.counted)))

    def close(self) -> None:
        if self._look is not None:
            self._look.cancel()

    async def _answer(self) -> None:
        while self._asking:
            asking, self._asking = self._asking, []
            workers = list(self._living)
            await asyncio.gather(*(worker.count(WITHIN_S) for worker in workers))
            totals = merged((self._past, *(each.counted for each in self._living)))
            packed = msgspec.msgpack.encode(totals)
            for worker in asking:
                worker.answer(packed)
