from __future__ import annotations

import msgspec

from tests.bench.machine import facts
from tests.bench.report import Ledger, Report, Row, save, table
from tests.bench.session import faults

GOOD = Row(
    service="gateway",
    workload="chat",
    clients=64,
    answers=10_000,
    per_second=2000.0,
    per_core=2100.0,
    busy=0.95,
    p50_ms=30.0,
    p99_ms=60.0,
    added_p50_ms=29.0,
    added_p99_ms=58.0,
    memory_before_mib=80.0,
    memory_after_mib=90.0,
    errors={},
)


def report(*rows: Row, ledger: Ledger | None = None) -> Report:
    return Report(facts(), 5.0, rows=list(rows), slow=[], ledger=ledger)


def test_a_clean_run_has_no_faults():
    assert faults(report(GOOD, ledger=Ledger(sent=12_000, recorded=12_000))) == []


def test_a_single_wrong_answer_of_the_gateway_fails_the_run():
    assert faults(report(msgspec.structs.replace(GOOD, errors={"HTTP 500: x": 1})))


def test_calls_that_were_left_midway_may_be_recorded_or_not():
    for recorded in (100, 104):
        assert faults(report(GOOD, ledger=Ledger(sent=100, recorded=recorded, cut=4))) == []
    assert faults(report(GOOD, ledger=Ledger(sent=100, recorded=105, cut=4)))


def test_a_call_missing_from_the_ledger_fails_the_run():
    assert faults(report(GOOD, ledger=Ledger(sent=12_000, recorded=11_999)))


def test_a_gateway_that_answers_nothing_fails_the_run():
    assert faults(report(msgspec.structs.replace(GOOD, answers=0)))


def test_a_failing_peer_is_shown_but_does_not_fail_the_run():
    peer = msgspec.structs.replace(GOOD, service="Portkey 1.15.2", errors={"HTTP 500: x": 7})
    shown = report(GOOD, peer)
    assert faults(shown) == []
    assert "| Portkey 1.15.2 | chat     |" in table(shown)


def test_every_line_of_the_table_is_equally_wide():
    lines = table(report(GOOD, msgspec.structs.replace(GOOD, per_core=None, clients=1))).splitlines()
    assert len({len(line) for line in lines}) == 1


def test_a_saved_report_reads_back_as_it_was(tmp_path):
    path = save(report(GOOD), tmp_path)
    assert path.suffix == ".json"
    assert msgspec.json.decode(path.read_bytes(), type=Report).rows == [GOOD]
