"""Deletes calls that are older than they must be kept. Their cost stays, in the roll-ups by hour.

No monthly partition is dropped: the ledger accepts a call once by its id alone, on both databases
(docs/decisions/0008). Hour by hour, each in one transaction; about 10 us a call. Blocking.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
from django.conf import settings
from django.db import connections, transaction
from django.db.models import Min, Q

from budgets.models import SpendWindow
from metering.ledger.changed_hours import HOUR, hour_of
from metering.ledger.write import lock_windows
from metering.models import ChangedHour, UsageEvent
from metering.reports.rollup import add_late, lock_roll_ups, rebuild, state_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from gateway.config.sections.process import Retention

CHUNK = 2_000
logger = logging.getLogger(__name__)


class Expired(msgspec.Struct, frozen=True):
    """The result of one run: calls deleted, and calls whose client texts were blanked."""

    calls: int = 0
    blanked: int = 0


def expire(now: datetime, retention: Retention | None = None, using: str = "default") -> Expired:
    """Apply `retention.*`; a repeated run changes nothing. Raises DatabaseError."""
    rules = retention or settings.GATEWAY.retention
    blanked = _blank(using) if rules.zero_retention else 0
    calls = _delete_before(_limit(now, rules.metadata_days, using), using) if rules.metadata_days else 0
    if calls or blanked:
        logger.info("ledger.calls.expired", extra={"calls": calls, "blanked": blanked})
    return Expired(calls, blanked)


def _limit(now: datetime, days: int, using: str) -> datetime:
    """Return the hour before which calls may be deleted: older than `days`, than every window in force, and than every
    unsettled call.
    """
    limit = hour_of(now - timedelta(days=days))
    unsettled = UsageEvent.objects.using(using).filter(unsettled_nanousd__gt=0)
    unknown: datetime | None = unsettled.aggregate(oldest=Min("started_at"))["oldest"]
    if unknown is not None:
        limit = min(limit, hour_of(unknown))
    in_force = SpendWindow.objects.using(using).filter(end__gt=now)
    oldest: datetime | None = in_force.aggregate(oldest=Min("start"))["oldest"]
    return limit if oldest is None else min(limit, hour_of(oldest))


def _delete_before(limit: datetime, using: str) -> int:
    late = _late_hours(using)
    count = sum(_with_locks(hour, _add_and_delete_late, using) for hour in late)
    while (hour := _oldest(using)) is not None and hour < limit:
        count += _with_locks(hour, _sum_and_delete, using)
    return count


def _late_hours(using: str) -> list[datetime]:
    expired_before = state_of(using).expired_before
    if expired_before is None:
        return []
    marks = ChangedHour.objects.using(using).filter(hour__lt=expired_before)
    return list(marks.order_by("hour").values_list("hour", flat=True).distinct())


def _oldest(using: str) -> datetime | None:
    """Return the hour of the oldest call that has not expired."""
    events = UsageEvent.objects.using(using)
    expired_before = state_of(using).expired_before
    if expired_before is not None:
        events = events.filter(started_at__gte=expired_before)
    first: datetime | None = events.aggregate(first=Min("started_at"))["first"]
    return None if first is None else hour_of(first)


def _with_locks(hour: datetime, work: Callable[[datetime, str], int], using: str) -> int:
    """Process one hour, with no batch half written meanwhile and no other writer of roll-ups."""
    with transaction.atomic(using=using):
        lock_roll_ups(connections[using])
        lock_windows(connections[using], exclusive=True)
        return work(hour, using)


def _sum_and_delete(hour: datetime, using: str) -> int:
    """Store the hour's sums, delete its calls, and record it as expired: from here on only the sums remain."""
    state = state_of(using)
    if state.expired_before is not None and hour < state.expired_before:
        return 0  # another machine did it first
    rebuild(hour, using)
    state.expired_before = hour + HOUR
    state.save(using=using, update_fields=["expired_before"])
    return _delete_calls(hour, using)


def _add_and_delete_late(hour: datetime, using: str) -> int:
    """Add calls from a journal that was found long after to the sums of their expired hour; delete them."""
    add_late(hour, using)
    return _delete_calls(hour, using)


def _delete_calls(hour: datetime, using: str) -> int:
    ChangedHour.objects.using(using).filter(hour=hour).delete()
    events = UsageEvent.objects.using(using).filter(started_at__gte=hour, started_at__lt=hour + HOUR)
    return events._raw_delete(using)  # noqa: SLF001 - nothing refers to a call: no need to load them first


def _blank(using: str) -> int:
    """Blank client texts in calls from before zero_retention was set; new calls have none."""
    rows = UsageEvent.objects.using(using).filter(~Q(client_request_id="") | ~Q(idempotency_key=""))
    count = 0
    while ids := list(rows.values_list("id", flat=True)[:CHUNK]):
        blank = UsageEvent.objects.using(using).filter(id__in=ids)
        count += blank.update(client_request_id="", idempotency_key="")
    return count
