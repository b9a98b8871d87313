"""The database as admission sees it, for the tests that compare implementations with the naive model. Pure."""

from __future__ import annotations

from typing import NamedTuple

from budgets.admission import Post, WindowKey
from budgets.windows import window
from tests.unit.budgets.admission_model import ModelCall


class Row(NamedTuple):
    """A call in the ledger: what budgets count of it, and how much of that is not known to be spent."""

    call: ModelCall
    counted: int
    unsettled: int = 0


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

    def post(self, key: WindowKey) -> Post:
        end = window(key.schedule, key.timezone, key.start).end
        inside = [
            row for row in self.rows if row.call.concerns(key.scope) and key.start <= row.call.instant < end
        ]
        unsettled = sum(row.unsettled for row in inside)
        return Post(key, sum(row.counted for row in inside), self.version, unsettled_nanousd=unsettled)
