"""The database as admission sees it, for the tests that compare implementations with the naive model: calls, added up
anew at each query. Pure.
"""

from __future__ import annotations

from typing import NamedTuple

from budgets.admission.budget_windows import is_rolling, window_from
from budgets.admission.interface import Return, WindowKey, WindowTotal
from tests.unit.budgets.admission_model import ModelCall

DAY_S = 86400.0  # of every zone of these tests


class Row(NamedTuple):
    """A call in the ledger: what budgets count of it, and how much of that is not known to be spent."""

    call: ModelCall
    counted: int
    unsettled: int = 0


def first_return(key: WindowKey, rows: list[Row], version: int) -> Return | None:
    """Return what the oldest day but the last one came to."""
    if not is_rolling(key.schedule):
        return None
    days = int(key.schedule[len("rolling_") : -1])
    sums = [0] * days
    for row in rows:
        sums[int((row.call.instant - key.start) // DAY_S)] += row.counted
    for day, counted in enumerate(sums[:-1]):
        if counted:
            return Return(key.start + (day + days) * DAY_S, counted, version)
    return Return(0.0, 0, version)


class Ledger:
    """The database: calls with their cost, and a version that grows with each shipment."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.version = 1

    def ship(self, rows: list[Row]) -> None:
        self.rows += rows
        self.version += 1

    def settle(self, row: Row, cost: int) -> None:
        self.rows[self.rows.index(row)] = Row(row.call, min(cost, row.counted))
        self.version += 1

    def post(self, key: WindowKey) -> WindowTotal:
        end = window_from(key.schedule, key.timezone, key.start).end
        inside = [
            row for row in self.rows if row.call.concerns(key.scope) and key.start <= row.call.instant < end
        ]
        counted, unsettled = sum(row.counted for row in inside), sum(row.unsettled for row in inside)
        returns = first_return(key, inside, self.version)
        return WindowTotal(key, counted, self.version, unsettled_nanousd=unsettled, returns=returns)
