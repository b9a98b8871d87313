"""Roll-ups, reports and retention: whatever is added up, late or deleted, the money is the ledger's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from django.db import connection
from django.db.models import Sum

from budgets.admission.interface import WindowKey
from gateway.config.sections.process import Retention
from metering.journal.reader import Call
from metering.ledger import write as ledger
from metering.ledger.spend_windows import load_windows
from metering.models import ChangedHour, HourlyUsage, UsageEvent
from metering.reports.retention import expire
from metering.reports.rollup import roll_up
from metering.reports.usage import UsageQuery, run
from tests.support.books.calls import CLOSED_COST, NOON, closed, opened

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime.fromtimestamp(NOON + 7200, UTC)
DAYS = Retention(metadata_days=30)
LATER = NOW + timedelta(days=31)
ALL = UsageQuery(since=NOW - timedelta(days=400), until=NOW + timedelta(days=60))
HOUR_S, DAY_S = 3600, 86_400


def write(name: str, count: int = 1, at: float = NOON, *, tenant: int = 3, status: str = "ok") -> None:
    ledger.write(
        [
            Call(opened(f"{name}_{n}", at=at, tenant=tenant), closed(f"{name}_{n}", at=at + 1, status=status))
            for n in range(count)
        ]
    )


def rolled_up() -> int:
    return HourlyUsage.objects.aggregate(cost=Sum("cost_nanousd"))["cost"] or 0


def reported() -> int:
    return sum(line.cost_nanousd for line in run(ALL)) // CLOSED_COST


def test_an_hour_is_the_sum_of_its_calls() -> None:
    write("a", 3)
    write("b", 2, status="error")
    write("c", 1, NOON + HOUR_S)

    roll_up(NOW)

    rows = {(row.hour.hour, row.status): row for row in HourlyUsage.objects.all()}
    assert {key: row.calls for key, row in rows.items()} == {(12, "ok"): 3, (12, "error"): 2, (13, "ok"): 1}
    noon = rows[12, "ok"]
    assert (noon.input_tokens, noon.output_tokens, noon.cost_nanousd) == (300, 150, 3 * CLOSED_COST)
    assert not ChangedHour.objects.exists()


def test_adding_up_again_changes_nothing_and_late_calls_come_in() -> None:
    write("a", 3)
    assert [roll_up(NOW), roll_up(NOW)] == [1, 0]

    write("late", 2, NOON + 1)
    write("a", 3)  # shipped again: not new

    assert [roll_up(NOW), roll_up(NOW)] == [1, 0]
    assert rolled_up() == 5 * CLOSED_COST


def test_a_report_is_not_behind_and_counts_nothing_twice() -> None:
    write("a", 3)
    write("b", 2, NOON - 5 * DAY_S, tenant=4)
    seen = [reported()]
    roll_up(NOW)
    seen.append(reported())
    write("c", 1)
    seen.append(reported())
    roll_up(NOW)

    assert [*seen, reported()] == [5, 5, 6, 6]


def test_a_report_groups_by_day_tenant_model_and_key() -> None:
    write("a", 3)
    write("b", 2, NOON - DAY_S, tenant=4, status="error")
    roll_up(NOW)
    write("c", 1, tenant=4)

    by_day = run(msgspec.structs.replace(ALL, by=("day", "tenant")))
    only = run(msgspec.structs.replace(ALL, by=("model", "key"), tenant_ids=(4,)))

    noon = datetime.fromtimestamp(NOON, UTC).date()
    assert [(line.group, line.calls, line.failed_calls, line.tenant) for line in by_day] == [
        ((noon - timedelta(days=1), 4), 2, 2, "tenant-4"),
        ((noon, 3), 3, 0, "tenant-3"),
        ((noon, 4), 1, 0, "tenant-4"),
    ]
    assert [(line.group, line.calls) for line in only] == [(("gpt-4o", 7), 3)]


def test_a_day_is_the_reports_time_zones_day() -> None:
    write("a", 1, NOON)

    lines = run(msgspec.structs.replace(ALL, by=("day",), timezone="Pacific/Kiritimati"))
    roll_up(NOW)
    again = run(msgspec.structs.replace(ALL, by=("day",), timezone="Pacific/Kiritimati"))

    assert lines == again
    assert lines[0].group[0] == datetime.fromtimestamp(NOON + DAY_S, UTC).date()


def test_adding_up_while_calls_arrive_misses_none() -> None:
    def ship(n: int) -> None:
        write(f"batch{n}", 20, NOON + (n % 3) * 1200)
        connection.close()

    def add_up(_: int) -> None:
        roll_up(NOW)
        connection.close()

    with ThreadPoolExecutor(4) as threads:
        work = [threads.submit(step, n) for n in range(12) for step in (ship, add_up)]
    _ = [step.result() for step in work]
    roll_up(NOW)

    assert rolled_up() == 240 * CLOSED_COST


def test_calls_are_deleted_after_their_days_and_their_sums_stay() -> None:
    write("old", 3)
    write("new", 2, LATER.timestamp() - DAY_S)

    assert expire(LATER, DAYS).calls == 3
    assert expire(LATER, DAYS).calls == 0

    roll_up(LATER)
    assert UsageEvent.objects.count() == 2
    assert (rolled_up() // CLOSED_COST, reported()) == (5, 5)


@pytest.mark.parametrize("schedule", ["every_90d", "rolling_90d"])
def test_calls_of_a_current_window_are_not_deleted(schedule: str) -> None:
    load_windows([WindowKey("tenant:3", schedule, "UTC", 1_784_851_200.0 - 30 * DAY_S)])
    write("old", 3)

    assert expire(LATER, DAYS).calls == 0


def test_window_made_later_counts_deleted_calls() -> None:
    write("old", 3)
    expire(LATER, DAYS)
    write("late", 1)

    july = WindowKey("tenant:3", "calendar_month", "UTC", datetime(2026, 7, 1, tzinfo=UTC).timestamp())
    assert load_windows([july])[0].spent_nanousd == 4 * CLOSED_COST


def test_late_calls_are_added_to_an_hour_whose_calls_were_deleted() -> None:
    write("old", 3)
    expire(LATER, DAYS)
    write("late", 2)
    roll_up(LATER)
    before = reported()

    assert expire(LATER, DAYS).calls == 2

    roll_up(LATER)
    assert (before, reported(), rolled_up() // CLOSED_COST) == (5, 5, 5)
    assert not UsageEvent.objects.exists()


def test_no_call_is_deleted_when_calls_are_kept_for_ever() -> None:
    write("old", 3)

    assert expire(LATER, Retention(metadata_days=0)).calls == 0


def test_zero_retention_blanks_what_clients_wrote() -> None:
    call = Call(
        msgspec.structs.replace(opened("a"), client_request_id="mine", idempotency_key="once"), closed("a")
    )
    ledger.write([call])

    done = expire(NOW, Retention(metadata_days=0, zero_retention=True))

    row = UsageEvent.objects.get()
    assert (done.blanked, row.client_request_id, row.idempotency_key) == (1, "", "")
    assert row.cost_nanousd == CLOSED_COST
