"""This app's Celery tasks; gateway/schedule.py has their times. Tasks accept unknown arguments."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from celery import shared_task
from django.conf import settings

from metering.reconciliation import nightly
from metering.reports import retention, rollup
from metering.request_log import rows
from metering.settlement import news


@shared_task(name="metering.roll_up")
def roll_up(**_: Any) -> None:
    rollup.roll_up(datetime.now(UTC))


@shared_task(name="metering.settle_due")
def settle_due(**_: Any) -> None:
    news.settle_due(datetime.now(UTC))


@shared_task(name="metering.expire")
def expire(**_: Any) -> None:
    retention.expire(datetime.now(UTC))


@shared_task(name="metering.expire_requests")
def expire_requests(**_: Any) -> None:
    rows.expire(datetime.now(UTC))


@shared_task(name="metering.reconcile")
def reconcile(**_: Any) -> None:
    nightly.reconcile(datetime.now(UTC))
    nightly.compare_redis(settings.GATEWAY.redis.url)
