"""The database as the naive model has it: calls with their cost, added up anew whenever somebody asks."""

from __future__ import annotations

from budgets.admission import Post, Return, WindowKey
from budgets.windows import is_rolling, window_from
from tests.unit.budgets.admission_model import ModelCall

DAY_S = 86400.0  # of every zone of these tests


def first_return(key: WindowKey, costs: list[tuple[float, int]]) -> Return | None:
    """Return what the oldest day but the last one came to."""
    if not is_rolling(key.schedule):
        return None
    days = int(key.schedule[len("rolling_") : -1])
    sums = [0] * days
    for instant, cost in costs:
        sums[int((instant - key.start) // DAY_S)] += cost
    for day, cost in enumerate(sums[:-1]):
        if cost:
            return Return(key.start + (day + days) * DAY_S, cost)
    return None


class Ledger:
    """The database: calls with their cost, and a version that grows with each shipment."""

    def __init__(self) -> None:
        self.calls: list[tuple[ModelCall, int]] = []
        self.version = 1

    def ship(self, calls: list[tuple[ModelCall, int]]) -> None:
        self.calls += calls
        self.version += 1

    def post(self, key: WindowKey) -> Post:
        end = window_from(key.schedule, key.timezone, key.start).end
        inside = [
            (call.instant, cost)
            for call, cost in self.calls
            if call.concerns(key.scope) and key.start <= call.instant < end
        ]
        return Post(key, sum(cost for _, cost in inside), self.version, None, first_return(key, inside))
