"""The days of a rolling budget: one row of spend per day, and which amount returns to the budget first. Blocking.

The sum of a rolling window is made of the rows of its days, which are the windows of a daily budget of the same scope:
only a day that has no row yet is summed from the ledger (docs/decisions/0015-rolling-budgets.md).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from budgets.admission.budget_windows import DAILY, day_starts, is_rolling, window_from
from budgets.admission.interface import Return, WindowKey, WindowTotal
from metering.window_amount import NOTHING, Amount

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

    Counted = Callable[[float, float], Amount]
    MakeRow = Callable[[WindowKey, Amount], None]


def sum_of_days(
    connection: BaseDatabaseWrapper, key: WindowKey, counted: Counted, make_row: MakeRow
) -> Amount:
    """Return the sum of the days of a rolling window. `counted` sums the ledger between two instants.

    Days that have spend, and the last one, get their row, so only one is missing tomorrow. The caller excludes batches.
    """
    span = window_from(key.schedule, key.timezone, key.start)
    known = _rows(connection, key, span.start, span.end)
    total, run = NOTHING, list[float]()
    for start in day_starts(key.timezone, span.start, span.end):
        if start in known:
            total = total.plus(known[start]).plus(_make(key, run, counted, make_row, span.since))
            run = []
        else:
            run.append(start)
    return total.plus(_make(key, run, counted, make_row, span.since))


def with_first_return(connection: BaseDatabaseWrapper, post: WindowTotal) -> WindowTotal:
    """Add the amount that returns first to the total of a rolling window."""
    if not is_rolling(post.window.schedule):
        return post
    return msgspec.structs.replace(post, returns=_first_return(connection, post))


def add_changed_returns(
    connection: BaseDatabaseWrapper, posts: Sequence[WindowTotal], first: float
) -> list[WindowTotal]:
    """Add the amount that returns first to the totals of rolling windows whose days have changed since `first`.

    Usually none has: only a call from before the window's last day changes them.
    """
    return [
        with_first_return(connection, post)
        if is_rolling(post.window.schedule) and first < _since(post.window)
        else post
        for post in posts
    ]


def _first_return(connection: BaseDatabaseWrapper, post: WindowTotal) -> Return:
    """Return the amount that returns first to a rolling budget, if not spent on the window's last day."""
    key = post.window
    days = _rows(connection, key, key.start, _since(key))
    start = min((start for start, amount in days.items() if amount.counted), default=None)
    if start is None:
        return Return(0.0, 0, post.version)
    end = window_from(key.schedule, key.timezone, start).end
    return Return(end, days[start].counted, post.version)


def _since(key: WindowKey) -> float:
    return window_from(key.schedule, key.timezone, key.start).since


def _make(key: WindowKey, run: Sequence[float], counted: Counted, make_row: MakeRow, last: float) -> Amount:
    """Make the rows of adjacent days, and return their sum. Usually nothing was spent on any of them."""
    if not run:
        return NOTHING
    ends = [window_from(DAILY, key.timezone, start).end for start in run]
    is_empty = len(run) > 1 and counted(run[0], ends[-1]).counted == 0
    total = NOTHING
    for start, end in zip(run, ends, strict=True):
        amount = NOTHING if is_empty else counted(start, end)
        total = total.plus(amount)
        if amount.counted or start == last:
            make_row(WindowKey(key.scope, DAILY, key.timezone, start), amount)
    return total


def _rows(connection: BaseDatabaseWrapper, key: WindowKey, start: float, end: float) -> dict[float, Amount]:
    """Return the days from `start` until before `end` that have a row, with their amounts."""
    adapt = connection.ops.adapt_datetimefield_value
    between = [adapt(datetime.fromtimestamp(instant, UTC)) for instant in (start, end)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT start, spent_nanousd, unsettled_nanousd FROM budgets_spendwindow "
            "WHERE scope = %s AND schedule = %s AND timezone = %s AND start >= %s AND start < %s",
            [key.scope, DAILY, key.timezone, *between],
        )
        return {_epoch(start): Amount(int(c), int(u)) for start, c, u in cursor.fetchall()}


def _epoch(start: datetime) -> float:
    return (start if start.tzinfo is not None else start.replace(tzinfo=UTC)).timestamp()
