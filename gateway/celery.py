"""Celery of production mode: `celery -A gateway worker` and exactly one `celery -A gateway beat`.

JSON only, one queue per app. A task is acknowledged when it is done, so it is repeated if its worker fails; all tasks
allow that. Embedded mode needs none of this: the server runs the same jobs itself (gateway/jobs/runner.py).
"""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")

from celery import Celery
from celery.schedules import crontab
from celery.signals import beat_init, celeryd_init, task_failure, task_success
from django.conf import settings
from kombu.entity import Queue

from gateway.config import Config
from gateway.schedule import Daily, Job, every_job

SOFT_LIMIT_S = 600  # a longer task is aborted and runs again at its next turn
HARD_LIMIT_S = 660
VISIBILITY_S = 3600  # beyond the hard limit, so that no running task is delivered twice


def make(config: Config) -> Celery:
    """Return the application for a configuration."""
    jobs = every_job(config)
    queues = sorted({job.queue for job in jobs})
    made = Celery("gateway", broker=_broker(config.redis.url) or "memory://", set_as_current=True)
    made.conf.update(
        task_serializer="json",
        result_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        task_soft_time_limit=SOFT_LIMIT_S,
        task_time_limit=HARD_LIMIT_S,
        broker_transport_options={"visibility_timeout": VISIBILITY_S},
        broker_connection_retry_on_startup=True,
        task_default_queue="gateway",
        task_queues=[Queue(name) for name in queues],  # type: ignore[no-untyped-call]  # kombu has no types
        task_routes={job.name: {"queue": job.queue} for job in jobs},
        beat_schedule={job.name: _entry(job) for job in jobs},
        beat_scheduler="gateway.jobs.beat:JsonScheduler",
        beat_schedule_filename=str(config.data_dir / "beat.json"),
        timezone="UTC",
        enable_utc=True,
        worker_hijack_root_logger=False,
        worker_enable_remote_control=False,  # any client that can write to Redis could stop a worker
    )
    made.autodiscover_tasks(queues)
    return made


def _broker(url: str) -> str:
    """Return Redis' address in kombu's notation: a socket has another scheme and another name for its database."""
    if not url.startswith("unix://"):
        return url
    return (
        url.replace("unix://", "redis+socket://", 1)
        .replace("?db=", "?virtual_host=")
        .replace("&db=", "&virtual_host=")
    )


def _entry(job: Job) -> dict[str, Any]:
    """Return beat's entry of a job. A turn that no worker took before the next one is dropped, not piled up."""
    when = job.when
    if isinstance(when, Daily):
        return {
            "task": job.name,
            "schedule": crontab(hour=str(when.hour), minute=str(when.minute)),
            "options": {"expires": 6 * 3600},
        }
    return {"task": job.name, "schedule": float(when.seconds), "options": {"expires": when.seconds}}


def _insist_on_production(**_: Any) -> None:
    if settings.GATEWAY.embedded:
        raise SystemExit(
            "Celery needs production mode: the embedded server does these jobs itself. "
            "Hint: set ROUTER_DB_URL and ROUTER_REDIS_URL."
        )


def _note_success(sender: Any = None, **_: Any) -> None:
    from gateway.jobs.runs import note_success  # noqa: PLC0415 - the models need a loaded Django

    note_success(sender.name)


def _note_failure(sender: Any = None, exception: BaseException | None = None, **_: Any) -> None:
    from gateway.jobs.runs import note_failure  # noqa: PLC0415 - as above

    note_failure(sender.name, exception)


app = make(settings.GATEWAY)
task_success.connect(_note_success, weak=False)
task_failure.connect(_note_failure, weak=False)
celeryd_init.connect(_insist_on_production, weak=False)
beat_init.connect(_insist_on_production, weak=False)
