"""The days of a rolling budget: one row of a day's money each, and what of it comes back first. Blocking.

The sum of a rolling window is made of the rows of its days, which are the windows of a daily budget of the same scope:
only a day that has no row yet is added up from the ledger (docs/decisions/0015-rolling-budgets.md).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from budgets.admission import Post, Return, WindowKey
from budgets.windows import DAILY, day_starts, is_rolling, window_from

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

    Spent = Callable[[float, float], int]
    MakeRow = Callable[[WindowKey, int], None]


def sum_of_days(connection: BaseDatabaseWrapper, key: WindowKey, spent: Spent, make_row: MakeRow) -> int:
    """Return what the days of a rolling window came to. `spent` adds up the ledger between two instants.

    Days that have money, and the last one, get their row: so tomorrow only one is missing. The caller keeps batches
    out.
    """
    span = window_from(key.schedule, key.timezone, key.start)
    known = _rows(connection, key, span.start, span.end)
    total, run = sum(known.values()), list[float]()
    for start in day_starts(key.timezone, span.start, span.end):
        if start in known:
            total += _make(key, run, spent, make_row, span.since)
            run = []
        else:
            run.append(start)
    return total + _make(key, run, spent, make_row, span.since)


def tell_returns(connection: BaseDatabaseWrapper, posts: Sequence[Post], first: float) -> list[Post]:
    """Add what comes back first to the posts of rolling windows whose days have changed since `first`.

    Mostly none has: only a call from before the window's last day changes them.
    """
    return [
        msgspec.structs.replace(post, returns=first_return(connection, post.window))
        if is_rolling(post.window.schedule) and first < _since(post.window)
        else post
        for post in posts
    ]


def first_return(connection: BaseDatabaseWrapper, key: WindowKey) -> Return | None:
    """Return what comes back first to a rolling budget, if that was not spent on the window's last day."""
    days = _rows(connection, key, key.start, _since(key))
    start = min((start for start, amount in days.items() if amount), default=None)
    if start is None:
        return None
    return Return(window_from(key.schedule, key.timezone, start).end, days[start])


def _since(key: WindowKey) -> float:
    return window_from(key.schedule, key.timezone, key.start).since


def _make(key: WindowKey, run: Sequence[float], spent: Spent, make_row: MakeRow, last: float) -> int:
    """Make the rows of neighbouring days, and return their sum. Most often nothing was spent on any of them."""
    if not run:
        return 0
    ends = [window_from(DAILY, key.timezone, start).end for start in run]
    is_empty = len(run) > 1 and spent(run[0], ends[-1]) == 0
    total = 0
    for start, end in zip(run, ends, strict=True):
        amount = 0 if is_empty else spent(start, end)
        total += amount
        if amount or start == last:
            make_row(WindowKey(key.scope, DAILY, key.timezone, start), amount)
    return total


def _rows(connection: BaseDatabaseWrapper, key: WindowKey, start: float, end: float) -> dict[float, int]:
    """Return the days from `start` until before `end` that have a row, and what they came to."""
    adapt = connection.ops.adapt_datetimefield_value
    between = [adapt(datetime.fromtimestamp(instant, UTC)) for instant in (start, end)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT start, spent_nanousd FROM budgets_spendwindow "
            "WHERE scope = %s AND schedule = %s AND timezone = %s AND start >= %s AND start < %s",
            [key.scope, DAILY, key.timezone, *between],
        )
        return {_epoch(start): int(amount) for start, amount in cursor.fetchall()}


def _epoch(start: datetime) -> float:
    return (start if start.tzinfo is not None else start.replace(tzinfo=UTC)).timestamp()
