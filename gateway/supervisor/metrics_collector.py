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
from gateway.supervisor.worker_state import State, combined
from gateway.values.tasks import spawn

WITHIN_S = 1.0


class MetricsCollector:
    """`workers` is the supervisor's own set. One collection at a time, shared by all requests meanwhile."""

    def __init__(self, workers: Collection[Worker]) -> None:
        self._workers = workers
        self._past: list[Family] = []
        self._requesting: list[Worker] = []
        self._collection: asyncio.Task[None] | None = None

    def request_totals(self, worker: Worker) -> None:
        """Send the sums to this worker soon."""
        self._requesting.append(worker)
        if self._collection is None or self._collection.done():
            self._collection = spawn(self._collect())

    def state_of_all(self, _: Worker) -> State:
        """Return the state of all workers together, as each has sent it last."""
        return combined(each.state for each in self._workers if each.state is not None)

    def keep_metrics(self, worker: Worker) -> None:
        """Keep the counts of an ended worker."""
        self._past = merged((self._past, growing(worker.metrics)))

    def close(self) -> None:
        if self._collection is not None:
            self._collection.cancel()

    async def _collect(self) -> None:
        while self._requesting:
            requesting, self._requesting = self._requesting, []
            workers = list(self._workers)
            await asyncio.gather(*(worker.request_metrics(WITHIN_S) for worker in workers))
            totals = merged((self._past, *(each.metrics for each in self._workers)))
            packed = msgspec.msgpack.encode(totals)
            for worker in requesting:
                worker.send_totals(packed)
