"""reconcile succeeds when everything agrees, and names what does not."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.core.management import CommandError, call_command

from budgets.admission.interface import WindowKey
from budgets.models import SpendWindow
from metering.journal.frames import encode
from metering.journal.reader import Call
from metering.journal.segments import Directory
from metering.ledger import write
from metering.ledger.crash_recovery import recover
from metering.ledger.exports import Period
from metering.ledger.spend_windows import load_windows
from metering.models import UsageEvent
from metering.reconciliation.ledger import Day, Sums, days
from tests.support.books.calls import CLOSED_COST, DAY, NOON, closed, opened

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def data_dir(settings: Any, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    (tmp_path / "journal").mkdir()
    return tmp_path


def record(request_id: str, *, at: float = NOON, estimated: bool = False, status: str = "ok") -> None:
    end = closed(request_id, at=at, status=status)
    usage = msgspec.structs.replace(end.usage, estimated=estimated)
    write.write([Call(opened(request_id, at=at), msgspec.structs.replace(end, usage=usage))])


def reconcile(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("reconcile", *arguments, stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


def test_an_empty_ledger_agrees() -> None:
    code, text = reconcile()

    assert code == 0
    assert "no calls" in text


def test_reconciliation_counts_each_day_by_certainty_of_the_amounts() -> None:
    record("req_1")
    record("req_2", estimated=True)
    record("req_3", estimated=True, status="incomplete")
    record("req_4", at=NOON + 86_400)

    one = Sums(1, CLOSED_COST)
    assert days(Period()) == [
        Day(date(2026, 7, 24), Sums(3, 3 * CLOSED_COST), one, one, one),
        Day(date(2026, 7, 25), one, one, Sums(0, 0), Sums(0, 0)),
    ]
    assert len(days(Period(until=datetime(2026, 7, 25, tzinfo=UTC)))) == 1


def test_windows_that_are_the_sum_of_the_ledger_agree() -> None:
    load_windows([WindowKey("tenant:3", "daily", "UTC", DAY), WindowKey("key:7", "daily", "UTC", DAY)])
    record("req_1")

    code, text = reconcile()

    assert code == 0
    assert "2026-07-24" in text
    assert "Everything agrees" in text


def test_a_total_that_is_not_the_sum_of_the_ledger_is_named() -> None:
    load_windows([WindowKey("tenant:3", "daily", "UTC", DAY)])
    record("req_1")
    SpendWindow.objects.update(spent_nanousd=CLOSED_COST + 1)

    code, text = reconcile()

    assert code == 1
    assert "tenant:3 daily" in text
    assert reconcile("--until", "2026-07-01")[0] == 0


def test_a_row_that_was_taken_out_of_the_ledger_is_noticed() -> None:
    load_windows([WindowKey("key:7", "daily", "UTC", DAY)])
    record("req_1")
    UsageEvent.objects.all().delete()

    assert reconcile()[0] == 1


def test_a_cost_that_is_not_the_sum_of_its_receipt_is_named() -> None:
    record("req_1")
    UsageEvent.objects.update(cost_nanousd=CLOSED_COST - 1)

    code, text = reconcile()

    assert code == 1
    assert "receipt of req_1" in text


def test_the_journal_of_a_dead_process_is_reported_until_adopted(data_dir: Path) -> None:
    directory = Directory.create(data_dir / "journal")
    directory.segment(1).write_bytes(
        b"".join(encode(r) for r in (opened("req_1"), closed("req_1"), opened("req_2")))
    )
    living = reconcile()
    directory.release()
    dead = reconcile()
    recover(data_dir / "journal")
    adopted = reconcile()

    assert living[0] == 0
    assert "1 running" in living[1]
    assert dead[0] == 1
    assert "process that ended: 2 calls" in dead[1]
    assert adopted[0] == 0


def test_files_set_aside_for_the_operator_are_shown(data_dir: Path) -> None:
    (data_dir / "journal" / "boot-1-00000001.corrupt").touch()

    code, text = reconcile()

    assert code == 0
    assert "boot-1-00000001.corrupt" in text


def test_a_bad_instant_is_bad_usage() -> None:
    with pytest.raises(CommandError) as refusal:
        reconcile("--since", "yesterday")

    assert refusal.value.returncode == 2
