"""Rolls the ledger up by hour. An hour is rebuilt from its calls, never changed: repeating it changes nothing.

About 5 us a call of the hours that changed; many machines may try at once, one does it. Blocking.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.db import connections, transaction

from gateway.values.advisory_locks import ROLL_UPS
from metering.ledger.changed_hours import HOUR
from metering.ledger.write import lock_windows
from metering.models import ChangedHour, HourlyUsage, RollupState

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.backends.base.base import BaseDatabaseWrapper

MOST_HOURS = 1_000  # in one run; the next one continues
PATIENT_MS = 60_000
logger = logging.getLogger(__name__)
_GROUP = "tenant_id, key_id, model, provider, deployment, status"
SUMS = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "images",
    "audio_seconds",
    "characters",
    "cost_nanousd",
    "latency_ms",
)
_COLUMNS = f"hour, tenant, api_key_prefix, {_GROUP}, calls, estimated_calls, {', '.join(SUMS)}"


def roll_up(now: datetime, using: str = "default") -> int:
    """Roll up every hour that changed before `now`, oldest first; return how many. Raises DatabaseError."""
    generation = begin_generation(using)
    marked = ChangedHour.objects.using(using).filter(generation__lt=generation, hour__lte=now)
    hours = list(marked.order_by("hour").values_list("hour", flat=True).distinct()[:MOST_HOURS])
    done = sum(_refresh(hour, generation, using) for hour in hours)
    if done:
        logger.info("ledger.hours.rolled_up", extra={"hours": done})
    return done


def begin_generation(using: str = "default") -> int:
    """Begin a generation, and return it: every batch with an older mark has been committed.

    The exclusive lock waits for the batches being written, a few milliseconds; the sums are made without it.
    """
    with transaction.atomic(using=using):
        lock_windows(connections[using], exclusive=True)
        state = state_of(using)
        state.generation += 1
        state.save(using=using, update_fields=["generation"])
    return state.generation


def state_of(using: str = "default") -> RollupState:
    """Return the one row; create it if it is missing."""
    return RollupState.objects.using(using).get_or_create(id=1)[0]


def changed_hours(since: datetime, until: datetime, using: str = "default") -> list[datetime]:
    """Return the hours that changed since their roll-up, in order."""
    marked = ChangedHour.objects.using(using).filter(hour__gte=since, hour__lt=until)
    return list(marked.order_by("hour").values_list("hour", flat=True).distinct())


def lock_roll_ups(connection: BaseDatabaseWrapper) -> None:
    """Let one transaction at a time change roll-ups, with a longer timeout. On SQLite it is alone anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {PATIENT_MS}")
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ROLL_UPS])


def rebuild(hour: datetime, using: str = "default") -> None:
    """Rebuild one hour's sums. In a transaction that has the lock of the roll-ups."""
    HourlyUsage.objects.using(using).filter(hour=hour).delete()
    _insert_sums(hour, using)


def add_late(hour: datetime, using: str = "default") -> None:
    """Add calls that came after their hour's other calls expired: to sums that can no longer be rebuilt."""
    names = ("calls", "estimated_calls", *SUMS)
    adding = [f"{name} = metering_hourlyusage.{name} + excluded.{name}" for name in names]
    _insert_sums(hour, using, f"ON CONFLICT (hour, {_GROUP}) DO UPDATE SET {', '.join(adding)}")


def _insert_sums(hour: datetime, using: str, conflict: str = "") -> None:
    connection = connections[using]
    adapt = connection.ops.adapt_datetimefield_value
    instant = "CAST(%s AS timestamptz)" if connection.vendor == "postgresql" else "%s"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO metering_hourlyusage ({_COLUMNS}) "  # noqa: S608 - names and placeholders
            f"SELECT {instant}, MAX(tenant), MAX(api_key_prefix), {_GROUP}, COUNT(*), "
            f"SUM(CASE WHEN estimated THEN 1 ELSE 0 END), {', '.join(f'SUM({name})' for name in SUMS)} "
            f"FROM metering_usageevent WHERE started_at >= %s AND started_at < %s GROUP BY {_GROUP} {conflict}",
            [adapt(hour), adapt(hour), adapt(hour + HOUR)],
        )


def _refresh(hour: datetime, generation: int, using: str) -> bool:
    """Rebuild one hour, remove its older marks; False if expired: metering/reports/retention.py adds late calls."""
    with transaction.atomic(using=using):
        lock_roll_ups(connections[using])
        limit = state_of(using).expired_before
        if limit is not None and hour < limit:
            return False
        rebuild(hour, using)
        ChangedHour.objects.using(using).filter(hour=hour, generation__lt=generation).delete()
    return True
