"""When each periodic job last succeeded, and how often it failed: kept in the database, because a Celery worker runs it
and a gateway is scraped. Blocking; one small statement a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
from django.db import Error, transaction
from django.db.models import F
from django.utils.module_loading import import_string

from gateway.models import JobRun
from gateway.schedule import Job
from gateway.values.fallback_log import FALLBACKS
from providers.errors.exceptions import named
from providers.errors.redaction import redact

LONGEST: Final = 200
LATE_TURNS: Final = 3  # a job is late after this many turns without a success
LATE_S: Final = 300  # and never earlier


class Run(msgspec.Struct, frozen=True):
    """The state of one job. Times are epoch seconds; 0: never."""

    name: str
    every_s: int
    succeeded_at: float = 0.0
    failures: int = 0
    error: str = ""

    def is_late(self, now: float, since: float) -> bool:
        """Return whether the job is overdue; `since` is when observation began."""
        return now - max(self.succeeded_at, since) > max(LATE_TURNS * self.every_s, LATE_S)


def do(job: Job, now: datetime) -> None:
    """Run a job and record the result. Raises what the job raises."""
    try:
        import_string(job.work)(now)
    except Exception as error:  # recorded, and raised on
        note_failure(job.name, error)
        raise
    note_success(job.name)


def note_success(name: str) -> None:
    """Record that a job was done. If that fails it is only counted: the job itself was done."""
    try:
        done = JobRun(name=name, succeeded_at=datetime.now(UTC))
        with transaction.atomic():
            JobRun.objects.bulk_create(
                [done], update_conflicts=True, unique_fields=["name"], update_fields=["succeeded_at"]
            )
    except Error as away:
        FALLBACKS.note("job_run", away)


def note_failure(name: str, error: BaseException | None) -> None:
    """Record that a job failed, and why."""
    words = redact(named(error))[:LONGEST] if error is not None else ""
    try:
        with transaction.atomic():
            JobRun.objects.bulk_create([JobRun(name=name)], ignore_conflicts=True)
            JobRun.objects.filter(name=name).update(
                failures=F("failures") + 1, failed_at=datetime.now(UTC), error=words
            )
    except Error as away:
        FALLBACKS.note("job_run", away)


def runs_of(jobs: Sequence[Job]) -> tuple[Run, ...]:
    """Return the state of each of these jobs. One query."""
    rows = {row.name: row for row in JobRun.objects.all()}
    return tuple(_run(job, rows.get(job.name)) for job in jobs)


def _run(job: Job, row: JobRun | None) -> Run:
    if row is None:
        return Run(job.name, job.every_s)
    at = row.succeeded_at.timestamp() if row.succeeded_at is not None else 0.0
    has_failed_since = row.failed_at is not None and row.failed_at.timestamp() > at
    return Run(job.name, job.every_s, at, row.failures, row.error if has_failed_since else "")
