"""Runs the jobs of gateway/schedule.py inside the server, in embedded mode: one at a time, in the database threads.

Never blocks the loop; a job that fails is logged, and runs again at its next turn.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from gateway.schedule import Job

logger = logging.getLogger(__name__)

SOON = timedelta(minutes=5)  # a server that is off at night runs its daily jobs this long after its start

Do = Callable[[Job, datetime], Awaitable[object]]


def _now() -> datetime:
    return datetime.now(UTC)


class JobRunner:
    """`do` runs one job at a given time (gateway/jobs/runs.py, in the database threads)."""

    def __init__(self, jobs: Sequence[Job], do: Do, now: Callable[[], datetime] = _now) -> None:
        self._jobs, self._do, self._now = jobs, do, now
        started = now()
        self._due = {job.name: min(job.when.after(started), started + SOON) for job in jobs}

    @property
    def next_at(self) -> datetime:
        return min(self._due.values())

    async def run(self) -> None:
        """Run the jobs forever."""
        while True:
            await asyncio.sleep(max(0.0, (self.next_at - self._now()).total_seconds()))
            await self.do_due()

    async def do_due(self) -> None:
        """Run the jobs that are due now, one after another."""
        for job in self._jobs:
            now = self._now()
            # The clock may have been set back.
            self._due[job.name] = min(self._due[job.name], job.when.after(now))
            if self._due[job.name] > now:
                continue
            self._due[job.name] = job.when.after(now)
            try:
                await self._do(job, now)
            except Exception:  # it runs again at its next turn
                logger.exception("job.failed", extra={"job": job.name})
