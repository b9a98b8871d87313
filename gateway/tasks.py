"""This app's work as Celery tasks; gateway/schedule.py has the times. Tasks accept unknown arguments."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from celery import shared_task

from gateway import cleanup


@shared_task(name="gateway.sweep_replays")
def sweep_replays(**_: Any) -> None:
    cleanup.sweep_replays(datetime.now(UTC))


@shared_task(name="gateway.sweep_sessions")
def sweep_sessions(**_: Any) -> None:
    cleanup.sweep_sessions(datetime.now(UTC))
