"""The periodic jobs and their times: read by Celery beat in production mode (gateway/celery.py) and by the server
itself in embedded mode (gateway/jobs/runner.py). Every job may run twice, or late, without harm.

Not built yet: the alerts of budgets, each minute (queue "budgets"); they become one more line of JOBS.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from gateway.config import Config

DAY_S = 86_400
PROBES = "catalog.probe_all"


class Every(msgspec.Struct, frozen=True):
    """At every multiple of `seconds` since 1970, so that a restart does not delay it."""

    seconds: int

    def after(self, now: datetime) -> datetime:
        """Return the next time that is later than `now`."""
        return datetime.fromtimestamp((int(now.timestamp()) // self.seconds + 1) * self.seconds, UTC)


class Daily(msgspec.Struct, frozen=True):
    """Once a day, in UTC."""

    hour: int
    minute: int

    def after(self, now: datetime) -> datetime:
        """Return the next time that is later than `now`."""
        today = now.astimezone(UTC).replace(hour=self.hour, minute=self.minute, second=0, microsecond=0)
        return today if today > now else today + timedelta(days=1)


class Job(msgspec.Struct, frozen=True):
    """`name` is the Celery task's, `<app>.<verb>`; `work` is the path of the function, which takes `now`."""

    name: str
    work: str
    when: Every | Daily

    @property
    def every_s(self) -> int:
        """The seconds between two turns."""
        return self.when.seconds if isinstance(self.when, Every) else DAY_S

    @property
    def queue(self) -> str:
        """Each app has its own queue."""
        return self.name.partition(".")[0]


JOBS = (
    Job("metering.roll_up", "metering.reports.rollup.roll_up", Every(60)),
    Job("metering.settle_due", "metering.settlement.news.settle_due", Every(60)),
    Job("metering.expire", "metering.reports.retention.expire", Daily(3, 20)),
    Job("metering.expire_requests", "metering.request_log.rows.expire", Every(600)),
    Job("metering.reconcile", "metering.reconciliation.nightly.reconcile", Daily(3, 40)),
    Job("gateway.sweep_replays", "gateway.cleanup.sweep_replays", Every(600)),
    Job("gateway.sweep_sessions", "gateway.cleanup.sweep_sessions", Daily(3, 10)),
)


def every_job(config: Config) -> tuple[Job, ...]:
    """Return all jobs: JOBS and the probes, which Celery runs too; an embedded server runs them on its own loop."""
    interval = Every(max(1, int(config.health.check_interval)))
    return (*JOBS, Job(PROBES, "catalog.health.probes.probe_all", interval))
