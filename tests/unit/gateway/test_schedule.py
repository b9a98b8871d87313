"""When jobs are done, in the server and by Celery beat."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.utils.module_loading import import_string

from gateway.celery import app
from gateway.jobs.runner import SOON, JobRunner
from gateway.schedule import Daily, Every, Job, every_job
from tests.support.logged import logged

NOON = datetime(2026, 7, 24, 12, 0, 30, tzinfo=UTC)


def test_an_interval_is_counted_from_the_epoch_and_not_from_the_start():
    assert Every(600).after(NOON) == datetime(2026, 7, 24, 12, 10, tzinfo=UTC)


def test_a_daily_job_is_done_today_or_tomorrow():
    assert Daily(13, 5).after(NOON) == datetime(2026, 7, 24, 13, 5, tzinfo=UTC)
    assert Daily(3, 20).after(NOON) == datetime(2026, 7, 25, 3, 20, tzinfo=UTC)


@pytest.mark.parametrize("job", every_job(settings.GATEWAY), ids=lambda job: job.name)
def test_celery_knows_every_job_and_sends_it_to_the_queue_of_its_app(job):
    app.loader.import_default_modules()
    assert job.name in app.tasks
    assert callable(import_string(job.work))
    assert app.conf.task_routes[job.name] == {"queue": job.name.split(".")[0]}
    assert app.conf.beat_schedule[job.name]["task"] == job.name


def test_celery_takes_nothing_but_json_and_acknowledges_what_is_done():
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_acks_late
    assert app.conf.broker_transport_options["visibility_timeout"] > app.conf.task_time_limit


class Clock:
    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now


class Workplace:
    """Replaces the database threads: records its jobs, and fails when the test wants it."""

    def __init__(self):
        self.done = []
        self.is_broken = False

    async def __call__(self, job, now):
        self.done.append((job.name, now))
        if self.is_broken:
            raise OSError("the database is away")


SWEEP = Job("gateway.sweep_replays", "gateway.cleanup.sweep_replays", Every(600))
ROLL_UP = Job("metering.roll_up", "metering.reports.rollup.roll_up", Every(60))
EXPIRE = Job("metering.expire", "metering.reports.retention.expire", Daily(3, 20))


async def test_the_server_does_what_is_due_and_nothing_else():
    clock, place = Clock(), Workplace()
    jobs = JobRunner((ROLL_UP, SWEEP), place, clock)
    await jobs.do_due()
    assert place.done == []
    clock.now = jobs.next_at
    await jobs.do_due()
    assert place.done == [("metering.roll_up", clock.now)]
    assert jobs.next_at == clock.now + timedelta(minutes=1)


async def test_a_server_that_is_off_at_night_does_its_daily_jobs_soon_after_the_start():
    clock, place = Clock(), Workplace()
    jobs = JobRunner((EXPIRE,), place, clock)
    assert jobs.next_at == NOON + SOON
    clock.now = NOON + SOON
    await jobs.do_due()
    assert [name for name, _ in place.done] == ["metering.expire"]
    assert jobs.next_at == datetime(2026, 7, 25, 3, 20, tzinfo=UTC)


async def test_a_job_that_fails_is_logged_and_comes_again(caplog):
    clock, place = Clock(), Workplace()
    place.is_broken = True
    jobs = JobRunner((ROLL_UP,), place, clock)
    clock.now = jobs.next_at
    await jobs.do_due()
    assert logged(caplog, "job.failed") == [{"job": "metering.roll_up"}]
    assert jobs.next_at > clock.now
