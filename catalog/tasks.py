"""This app's work as Celery tasks; when it is done says gateway/schedule.py. Tasks take what they do not know."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from celery import shared_task

from catalog.health import probes


@shared_task(name="catalog.probe_all")
def probe_all(**_: Any) -> None:
    probes.probe_all(datetime.now(UTC))
