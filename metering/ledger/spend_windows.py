"""The ledger's total of a spend window. Its row is made at the first request, from the ledger's sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connections, transaction

from budgets.admission.budget_windows import is_rolling, window_from
from metering.ledger.changed_hours import hour_of
from metering.ledger.rolling_days import sum_of_days, with_first_return
from metering.ledger.write import lock_windows, moment, select_windows
from metering.window_amount import Amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

    from budgets.admission.interface import WindowKey, WindowTotal

OWNER_COLUMN = {"tenant": "tenant_id", "key": "key_id"}  # in the ledger and in roll-ups


def load_windows(keys: Sequence[WindowKey], using: str = "default") -> list[WindowTotal]:
    """Return the totals of the windows, in order; blocks on the database, so call it in a thread."""
    connection = connections[using]
    found = read_windows(keys, using)
    missing = [key for key in keys if key not in found]
    if missing:
        with transaction.atomic(using=using):
            lock_windows(connection, exclusive=True)
            for key in missing:
                _create(connection, key)
            found |= read_windows(missing, using)
    return [with_first_return(connection, found[key]) for key in keys]


def read_windows(keys: Sequence[WindowKey], using: str = "default") -> dict[WindowKey, WindowTotal]:
    """Return the totals of those windows that have been requested before."""
    if not keys:
        return {}
    connection = connections[using]
    adapt = connection.ops.adapt_datetimefield_value
    each = "(scope = %s AND schedule = %s AND timezone = %s AND start = %s)"
    rows = select_windows(
        connection,
        " OR ".join([each] * len(keys)),
        [v for k in keys for v in (k.scope, k.schedule, k.timezone, adapt(moment(k.start)))],
    )
    posts = [row.post() for row in rows]
    return {post.window: post for post in posts}


def _create(connection: BaseDatabaseWrapper, key: WindowKey) -> None:
    """Insert the window with the ledger's sum for it. The caller excludes batches by `lock_windows`."""

    def counted(start: float, end: float) -> Amount:
        return _counted(connection, key.scope, start, end)

    def make_row(window: WindowKey, amount: Amount) -> None:
        _insert(connection, window, amount)

    if is_rolling(key.schedule):
        make_row(key, sum_of_days(connection, key, counted, make_row))
    else:
        make_row(key, counted(key.start, window_from(key.schedule, key.timezone, key.start).end))


def _insert(connection: BaseDatabaseWrapper, key: WindowKey, amount: Amount) -> None:
    adapt = connection.ops.adapt_datetimefield_value
    start = adapt(moment(key.start))
    end = adapt(moment(window_from(key.schedule, key.timezone, key.start).end))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO budgets_spendwindow "
            '(scope, schedule, timezone, start, "end", spent_nanousd, unsettled_nanousd, version) '
            "VALUES (%s, %s, %s, %s, %s, %s, %s, 1) ON CONFLICT (scope, schedule, timezone, start) DO NOTHING",
            [key.scope, key.schedule, key.timezone, start, end, *amount],
        )


def _counted(connection: BaseDatabaseWrapper, scope: str, since: float, until: float) -> Amount:
    """Sum the ledger, and the roll-ups of hours whose calls have expired (metering/reports/retention.py).

    Unsettled calls do not expire.
    An expired hour that the window begins in the middle of counts in full: the sum is too high rather than too low.
    """
    adapt = connection.ops.adapt_datetimefield_value
    kind, _, number = scope.partition(":")
    start = moment(since)
    end = adapt(moment(until))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT cost + unsettled + expired, unsettled FROM (SELECT "  # noqa: S608 - two known names
            "COALESCE(SUM(cost_nanousd), 0) AS cost, COALESCE(SUM(unsettled_nanousd), 0) AS unsettled "
            f"FROM metering_usageevent WHERE {OWNER_COLUMN[kind]} = %s AND started_at >= %s AND started_at < %s) c, "
            "(SELECT COALESCE(SUM(cost_nanousd), 0) AS expired FROM metering_hourlyusage "
            f"WHERE {OWNER_COLUMN[kind]} = %s AND hour >= %s AND hour < %s "
            "AND hour < (SELECT expired_before FROM metering_rollupstate)) e",
            [int(number), adapt(start), end, int(number), adapt(hour_of(start)), end],
        )
        return Amount(*(int(part) for part in cursor.fetchone()))
