"""This app's Celery tasks; gateway/schedule.py has their times. Tasks accept unknown arguments."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from celery import shared_task

from catalog.health import probes


@shared_task(name="catalog.probe_all")
def probe_all(**_: Any) -> None:
    probes.probe_all(datetime.now(UTC))
