"""What all workers of a supervisor count, told to the worker that was scraped.

Each look asks every worker, a second at most. What a worker had counted is kept after its end as it was last told, so
the sums never fall: a worker that is killed takes along what it counted since the last look, and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import msgspec

from gateway.observability.metrics_aggregation import Family, growing, merged
from gateway.supervisor.worker import Worker
from gateway.supervisor.worker_state import State, together

WITHIN_S = 1.0


class MetricsCollector:
    """`living` is the supervisor's own set. One look at a time, shared by those who ask meanwhile."""

    def __init__(self, living: Collection[Worker]) -> None:
        self._living = living
        self._past: list[Family] = []
        self._asking: list[Worker] = []
        self._look: asyncio.Task[None] | None = None

    def ask(self, worker: Worker) -> None:
        """Answer this worker soon."""
        self._asking.append(worker)
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._answer())

    def state_of_all(self, _: Worker) -> State:
        """Return how all are doing together, as each has told last."""
        return together(each.state for each in self._living if each.state is not None)

    def keep(self, worker: Worker) -> None:
        """Remember what a worker counted that has ended."""
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
