"""Which hours of the ledger changed since their roll-up. One small statement per batch that is written.

A mark means "calls that started in this hour were written after generation N began". A roll-up begins a new
generation and removes older marks only, so a mark made meanwhile survives it, and so does one made before a crash.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.backends.base.base import BaseDatabaseWrapper

HOUR = timedelta(hours=1)
_HOUR_S = 3600


def hour_of(instant: datetime) -> datetime:
    """Return the beginning of the UTC hour an instant is in."""
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def mark_changed_hours(connection: BaseDatabaseWrapper, instants: Iterable[float]) -> None:
    """Mark the hours of these instants. In the transaction that writes the calls, under its shared lock.

    Ordered by time, so that two writers never deadlock.
    """
    hours = sorted({int(instant // _HOUR_S) * _HOUR_S for instant in instants})
    adapt = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        for hour in hours:
            cursor.execute(
                "INSERT INTO metering_changedhour (hour, generation) "
                "VALUES (%s, (SELECT COALESCE(MAX(generation), 0) FROM metering_rollupstate)) "
                "ON CONFLICT (hour, generation) DO NOTHING",
                [adapt(datetime.fromtimestamp(hour, UTC))],
            )
