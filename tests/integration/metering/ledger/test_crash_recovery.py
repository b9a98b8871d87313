"""The journal of an ended process reaches the ledger: finished calls unchanged, the others estimated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import OperationalError
from msgspec.structs import replace

from budgets.admission.interface import AdmissionUnavailable, WindowTotal
from catalog.pricing.prices import cost, receipt
from metering.journal.frames import encode
from metering.journal.reader import Call
from metering.journal.records import Answered, Mark, Record, Void
from metering.journal.segments import Directory
from metering.ledger.crash_recovery import DIED, recover
from metering.ledger.journal_loader import JournalLoader
from metering.models import UsageEvent
from metering.settlement.late_settlement import ByUsage, settle
from providers.usage import Usage
from tenants.audit import Actor
from tests.support.books.calls import CLOSED_COST, SHEET, closed, opened

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def dead(tmp_path: Path) -> Directory:
    directory = Directory.create(tmp_path)
    directory.release()
    return directory


def write(directory: Directory, segment: int, *records: Record) -> None:
    with directory.segment(segment).open("ab") as file:
        file.write(b"".join(encode(record) for record in records))


def test_finished_calls_are_shipped_as_they_are(dead: Directory, tmp_path: Path) -> None:
    write(dead, 1, opened("req_1"), opened("req_2"), closed("req_1"))
    write(dead, 2, closed("req_2", status="cancelled"))

    [adopted] = recover(tmp_path)

    rows = UsageEvent.objects.order_by("id").values_list("id", "status", "cost_nanousd")
    assert list(rows) == [("req_1", "ok", CLOSED_COST), ("req_2", "cancelled", CLOSED_COST)]
    assert (adopted.finished, adopted.incomplete) == (2, 0)


def test_a_call_without_an_end_is_billed_for_its_prompt_and_its_last_mark(
    dead: Directory, tmp_path: Path
) -> None:
    write(dead, 1, opened("req_1", prompt=100), Mark("req_1", 5), Mark("req_1", 40))

    [adopted] = recover(tmp_path)

    row = UsageEvent.objects.get(id="req_1")
    assert (row.status, row.error_code, row.http_status, row.estimated) == ("incomplete", DIED, 0, True)
    assert (row.input_tokens, row.output_tokens) == (100, 40)
    assert row.cost_nanousd == cost(Usage(input_tokens=100, output_tokens=40), SHEET)
    assert row.finished_at >= row.started_at
    assert row.receipt
    assert adopted.incomplete == 1


@pytest.mark.parametrize("marks", [(), (40,), (10, 2_000), (100_000,)])
@pytest.mark.parametrize("is_bound", [True, False])
def test_what_a_killed_call_may_have_used_beyond_its_estimate_is_unsettled(
    dead: Directory, tmp_path: Path, marks: tuple[int, ...], *, is_bound: bool
) -> None:
    held = replace(opened("req_1", prompt=100), hold_nanousd=10**9, is_bound=is_bound, most_output=1_000)
    write(dead, 1, held, *(Mark("req_1", tokens) for tokens in marks))

    recover(tmp_path)

    row = UsageEvent.objects.get(id="req_1")
    assert row.cost_nanousd + row.unsettled_nanousd == 10**9
    seen = min(marks[-1], 1_000) if marks else 0  # its cap
    assert row.cost_nanousd == cost(Usage(input_tokens=100, output_tokens=seen), SHEET)
    settle("req_1", ByUsage(Usage(input_tokens=100, output_tokens=7)), Actor("me"), datetime.now(UTC))
    row.refresh_from_db()
    assert row.cost_nanousd == cost(Usage(input_tokens=100, output_tokens=7), SHEET)


def test_a_voided_call_is_not_adopted(dead: Directory, tmp_path: Path) -> None:
    write(dead, 1, opened("req_1"), Void("req_1"))

    recover(tmp_path)

    assert not UsageEvent.objects.exists()


def test_nothing_is_left_of_an_adopted_journal(dead: Directory, tmp_path: Path) -> None:
    write(dead, 1, opened("req_1"), closed("req_1"))

    recover(tmp_path)

    assert list(tmp_path.iterdir()) == []
    assert recover(tmp_path) == []


def test_journal_of_a_live_process_is_not_adopted(tmp_path: Path) -> None:
    own = Directory.create(tmp_path)
    write(own, 1, opened("req_1"), closed("req_1"))

    assert recover(tmp_path) == []
    assert own.segments() == [1]


def test_a_torn_tail_costs_only_the_record_it_tears(dead: Directory, tmp_path: Path) -> None:
    write(dead, 1, opened("req_1"), closed("req_1"), opened("req_2"))
    with dead.segment(1).open("ab") as file:
        file.write(encode(closed("req_2"))[:-1])

    [adopted] = recover(tmp_path)

    statuses = UsageEvent.objects.order_by("id").values_list("id", "status")
    assert list(statuses) == [("req_1", "ok"), ("req_2", "incomplete")]
    assert adopted.torn_bytes > 0
    assert list(tmp_path.iterdir()) == []


def test_damage_in_the_middle_is_reported_and_kept_and_loses_nothing_behind_it(
    dead: Directory, tmp_path: Path
) -> None:
    write(dead, 1, opened("req_1"), opened("req_lost"), closed("req_1"), closed("req_lost"))
    raw = dead.segment(1).read_bytes()
    hit = len(encode(opened("req_1"))) + 30
    dead.segment(1).write_bytes(raw[:hit] + b"\xde\xad" + raw[hit + 2 :])
    write(dead, 2, opened("req_2"), closed("req_2"))

    [adopted] = recover(tmp_path)

    assert list(UsageEvent.objects.order_by("id").values_list("id", flat=True)) == ["req_1", "req_2"]
    assert adopted.damaged_bytes == len(encode(opened("req_lost")))
    assert adopted.lost_ids == ("req_lost",)
    assert [path.suffix for path in tmp_path.iterdir()] == [".corrupt"]


def test_a_journal_that_was_half_shipped_is_not_counted_twice(dead: Directory, tmp_path: Path) -> None:
    write(dead, 1, opened("req_1"), opened("req_2"), closed("req_1"), closed("req_2"))
    copy = {path.name: path.read_bytes() for path in dead.path.iterdir()}
    recover(tmp_path)
    dead.path.mkdir()
    for name, content in copy.items():
        (dead.path / name).write_bytes(content)

    recover(tmp_path)

    assert UsageEvent.objects.count() == 2


def test_a_journal_that_cannot_be_read_keeps_no_other_from_being_adopted(
    dead: Directory,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    fallbacks: Callable[[], dict[str, int]],
) -> None:
    unreadable = tmp_path / "!"  # comes first
    (unreadable / "lock").mkdir(parents=True)
    write(dead, 1, opened("req_1"), closed("req_1"))

    adopted = recover(tmp_path)

    assert [each.journal for each in adopted] == [dead.path.name]
    assert ("journal.not_recovered", "!") in [(r.msg, vars(r).get("journal")) for r in caplog.records]
    assert fallbacks() == {"journal_adoption": 1}


def test_a_journal_adopted_before_the_outage_is_named(
    dead: Directory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = Directory.create(tmp_path, "~")  # comes last
    late.release()
    write(dead, 1, opened("req_1"), closed("req_1"))
    write(late, 1, opened("req_2"), closed("req_2"))
    gone: list[str] = []
    insert = JournalLoader.insert

    def away_soon(shipment: JournalLoader, calls: Sequence[Call]) -> list[WindowTotal]:
        if shipment.directory.path == late.path:
            raise OperationalError
        return insert(shipment, calls)

    monkeypatch.setattr(JournalLoader, "insert", away_soon)
    with pytest.raises(OperationalError):
        recover(tmp_path, release_worker=gone.append)
    assert gone == [dead.path.name]

    monkeypatch.undo()
    recover(tmp_path, release_worker=gone.append)
    assert gone == [dead.path.name, late.path.name]


def test_a_journal_whose_adoption_could_not_be_reported_is_adopted_again(
    dead: Directory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(dead, 1, opened("req_1"), closed("req_1"))
    gone: list[str] = []

    def tell(worker: str) -> None:
        gone.append(worker)
        if len(gone) == 1:
            raise AdmissionUnavailable

    assert recover(tmp_path, release_worker=tell) == []
    assert "journal.not_recovered" in caplog.messages
    [adopted] = recover(tmp_path, release_worker=tell)
    assert gone == [adopted.journal, adopted.journal]
    assert UsageEvent.objects.count() == 1
    assert not dead.path.exists()


MARKS = {
    "a token an event": (Mark("req_1", 40, 200), 40, 40),
    "many tokens an event": (Mark("req_1", 40, 45_200), 9_040, 11_300),  # 40 events of 226 words
    "one event of 10 MB": (Mark("req_1", 1, 10_000_000), 2_000_000, 2_500_000),
    "a half of an event": (Mark("req_1", 0, 5_000_000), 1_000_000, 1_250_000),
    "sound": (Mark("req_1", 0, 0, 640_000), 200, 200),
    "an older release": (Mark("req_1", 7), 7, 7),
}


@pytest.mark.parametrize("kind", MARKS)
def test_the_output_of_a_crashed_stream_is_billed_by_its_size(
    dead: Directory, tmp_path: Path, kind: str
) -> None:
    mark, least, most = MARKS[kind]
    write(dead, 1, opened("req_1"), Mark("req_1", 0, 40), mark)

    recover(tmp_path)

    row = UsageEvent.objects.get()
    assert least <= row.output_tokens <= most
    assert (row.status, row.estimated) == ("incomplete", True)


def test_received_answer_is_billed_by_its_usage(dead: Directory, tmp_path: Path) -> None:
    usage = Usage(input_tokens=90, cached_input_tokens=10, output_tokens=7, reasoning_tokens=19_990)
    write(dead, 1, opened("req_1"), Answered(id="req_1", size=400, usage=usage))

    recover(tmp_path)

    row = UsageEvent.objects.get()
    assert (row.status, row.estimated) == ("incomplete", False)
    assert (row.input_tokens, row.output_tokens, row.reasoning_tokens) == (100, 19_997, 19_990)
    assert row.cost_nanousd == receipt(usage, SHEET).total_nanousd


def test_an_answer_of_another_deployment_has_its_name_and_its_price(dead: Directory, tmp_path: Path) -> None:
    usage, dear = Usage(input_tokens=100, output_tokens=7), replace(SHEET, id=12, output=10**12)
    answered = Answered(
        id="req_1", size=400, usage=usage, provider="azure", deployment="b", upstream_model="m", sheet=dear
    )
    write(dead, 1, opened("req_1"), answered)

    recover(tmp_path)

    row = UsageEvent.objects.get()
    assert (row.provider, row.deployment, row.upstream_model, row.price_id) == ("azure", "b", "m", 12)
    assert row.cost_nanousd == receipt(usage, dear).total_nanousd


def test_received_answer_without_usage_is_billed_by_its_size_up_to_the_hold(
    dead: Directory, tmp_path: Path
) -> None:
    write(dead, 1, opened("req_1"), Answered(id="req_1", size=4_000))
    write(
        dead,
        2,
        replace(opened("req_2"), hold_nanousd=50_000, is_bound=True),
        Answered(id="req_2", size=4_000),
    )

    recover(tmp_path)

    first, second = UsageEvent.objects.order_by("id")
    assert (first.output_tokens, first.estimated) == (1_000, True)
    assert second.cost_nanousd == 50_000 < first.cost_nanousd


def test_call_of_two_attempts_is_exact_in_the_answered_one_and_unsettled_in_the_other(
    dead: Directory, tmp_path: Path
) -> None:
    usage, hold = Usage(input_tokens=100, output_tokens=7), 10**12
    again = replace(opened("req_1"), hold_nanousd=2 * hold, tries=2, is_bound=True)
    write(dead, 1, again, Answered(id="req_1", size=400, usage=usage))
    write(dead, 2, replace(again, id="req_2"))
    write(dead, 3, replace(again, id="req_3", tries=1), Answered(id="req_3", size=400, usage=usage))

    recover(tmp_path)

    own, prompt = receipt(usage, SHEET).total_nanousd, receipt(Usage(input_tokens=100), SHEET).total_nanousd
    answered, silent, only = UsageEvent.objects.order_by("id")
    assert (answered.cost_nanousd, answered.unsettled_nanousd) == (own + prompt, hold - prompt)
    assert (silent.cost_nanousd, silent.unsettled_nanousd) == (2 * prompt, 2 * (hold - prompt))
    assert (only.cost_nanousd, only.unsettled_nanousd, only.estimated) == (own, 0, False)
