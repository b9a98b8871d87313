"""Reconciliation: window totals against the ledger, costs against their receipts, journals against live workers.
Reads only, each check in one statement or stream, so a serving gateway does not disturb.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from django.db import connection
from django.db.models import Count, Q, Sum
from django.db.models.functions import Coalesce, TruncDate

from metering.journal.reader import JournalReader
from metering.journal.segments import Directory, directories, is_alive
from metering.models import Status, UsageEvent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from metering.ledger.exports import Period

_INCOMPLETE = Q(status=Status.INCOMPLETE)
_ESTIMATED = Q(estimated=True) & ~_INCOMPLETE
_CONFIRMED = Q(estimated=False) & ~_INCOMPLETE
_CHUNK = 1000


class Sums(msgspec.Struct, frozen=True):
    calls: int
    cost_nanousd: int


class Day(msgspec.Struct, frozen=True):
    """The calls that started on one UTC day; the last three sums add up to the first."""

    day: date
    opened: Sums
    confirmed: Sums
    estimated: Sums
    incomplete: Sums


class Disagreement(msgspec.Struct, frozen=True):
    """`what` names a window or a call; the two amounts should be equal."""

    what: str
    recorded: int
    ledger: int


class JournalState(msgspec.Struct, frozen=True):
    """What one journal directory holds that is not in the ledger."""

    name: str
    is_alive: bool
    ended: int
    running: int
    held_nanousd: int


def days(period: Period) -> list[Day]:
    """Return the days of the period that have calls."""
    parts = {"opened": Q(), "confirmed": _CONFIRMED, "estimated": _ESTIMATED, "incomplete": _INCOMPLETE}
    sums: dict[str, Any] = {}
    for name, condition in parts.items():
        sums[f"{name}_calls"] = Count("id", filter=condition)
        sums[f"{name}_cost"] = Coalesce(Sum("cost_nanousd", filter=condition), 0)
    rows: Any = (
        period.of(UsageEvent.objects.all())
        .annotate(day=TruncDate("started_at", tzinfo=UTC))
        .values("day")
        .annotate(**sums)
        .order_by("day")
    )
    return [
        Day(row["day"], *(Sums(row[f"{name}_calls"], int(row[f"{name}_cost"])) for name in parts))
        for row in rows
    ]


def wrong_windows(period: Period) -> list[Disagreement]:
    """Return the windows touching the period whose total is not the sum of the ledger."""
    wrong = []
    for kind in ("tenant", "key"):
        for scope, schedule, start, spent, unsettled, ledger, unknown in _windows(kind, period):
            if spent != int(ledger):
                wrong.append(Disagreement(f"{scope} {schedule} from {start}", spent, int(ledger)))
            if unsettled != int(unknown):
                what = f"{scope} {schedule} from {start}, unsettled"
                wrong.append(Disagreement(what, unsettled, int(unknown)))
    return wrong


def wrong_receipts(period: Period) -> Iterator[Disagreement]:
    """Yield the calls whose cost is not the sum of its line items, rounded up once."""
    rows = period.of(UsageEvent.objects.order_by("started_at", "id"))
    for request_id, cost, lines in rows.values_list("id", "cost_nanousd", "receipt").iterator(_CHUNK):
        exact = sum((Decimal(line["amount_nanousd"]) for line in lines), Decimal(0))
        total = int(exact.to_integral_value(ROUND_CEILING))
        if total != cost:
            yield Disagreement(f"receipt of {request_id}", total, cost)


def journals(root: Path) -> list[JournalState]:
    """Return what each journal holds; reads the files, takes no lock."""
    return [_journal(path) for path in directories(root)]


def orphaned_journals(root: Path) -> list[str]:
    """Return the files that were set aside for the operator: damaged segments, rejected calls."""
    return sorted(path.name for kind in ("*.corrupt", "*.rejected") for path in root.glob(kind))


def _journal(path: Path) -> JournalState:
    alive = is_alive(path)
    tail, ended = _read(path)
    shipped = sum(
        UsageEvent.objects.filter(id__in=ended[start : start + _CHUNK]).count()
        for start in range(0, len(ended), _CHUNK)
    )
    held = sum(call.record.hold_nanousd for call in tail.running.values())
    return JournalState(path.name, alive, len(ended) - shipped, len(tail.running), held)


def _read(path: Path) -> tuple[JournalReader, list[str]]:
    """Read a journal to its end, again if its process unlinked a shipped segment meanwhile."""
    while True:
        tail = JournalReader(Directory.for_reading(path))
        ended: list[str] = []
        with suppress(FileNotFoundError):
            until = tail.end()
            while calls := tail.read(until, _CHUNK):
                ended += [call.open.id for call in calls]
            return tail, ended


def _windows(kind: str, period: Period) -> list[tuple[Any, ...]]:
    adapt = connection.ops.adapt_datetimefield_value
    conditions = [
        "w.scope LIKE %s",  # and none of its calls is expired (metering/reports/retention.py)
        "NOT EXISTS (SELECT 1 FROM metering_rollupstate s WHERE s.expired_before > w.start)",
    ]
    parameters: list[Any] = [f"{kind}:%"]
    if period.since is not None:
        conditions.append('w."end" > %s')
        parameters.append(adapt(period.since))
    if period.until is not None:
        conditions.append("w.start < %s")
        parameters.append(adapt(period.until))
    calls = (
        f"FROM metering_usageevent e WHERE e.{kind}_id = CAST(SUBSTR(w.scope, {len(kind) + 2}) AS BIGINT) "
        'AND e.started_at >= w.start AND e.started_at < w."end"'
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT w.scope, w.schedule, w.start, w.spent_nanousd, w.unsettled_nanousd, "  # noqa: S608 - names and placeholders
            f"(SELECT COALESCE(SUM(e.cost_nanousd + e.unsettled_nanousd), 0) {calls}), "
            f"(SELECT COALESCE(SUM(e.unsettled_nanousd), 0) {calls}) "
            f"FROM budgets_spendwindow w WHERE {' AND '.join(conditions)} ORDER BY w.id",
            parameters,
        )
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
