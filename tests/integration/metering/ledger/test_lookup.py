"""A call is found wherever it is: in the ledger, or in a journal that is not shipped yet."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.core.management import CommandError, call_command

from metering.journal.frames import encode
from metering.journal.reader import Call
from metering.journal.records import Record, Void
from metering.ledger import write as ledger
from metering.ledger.lookup import Found, find, moment_of
from metering.models import LoggedRequest, UsageEvent
from metering.request_log.entry import Logged
from metering.request_log.rows import write
from tests.support.books.calls import CLOSED_COST, closed, opened

REFUSED = "req_01a2292082e374eeaf4c706f99bccf05"
pytestmark = pytest.mark.django_db(transaction=True)


def journal(root: Path, *records: Record) -> None:
    directory = root / "boot-1"
    directory.mkdir(parents=True)
    (directory / "00000001.log").write_bytes(b"".join(encode(record) for record in records))


def found(request_id: str, root: Path) -> Found:
    call = find(request_id, root)
    assert isinstance(call, Found)
    return call


def test_lookup_finds_a_call_without_ledger_row_before_reading_a_journal(tmp_path: Path) -> None:
    journal(tmp_path, opened(REFUSED), Void(REFUSED))
    assert found(REFUSED, tmp_path).source == "void"
    write([logged()])
    row = find(REFUSED, tmp_path)
    assert isinstance(row, LoggedRequest)
    assert (row.api_key_prefix, row.http_status) == ("key-7", 502)


def logged(**more: Any) -> Logged:
    moment = moment_of(REFUSED)
    assert moment is not None
    known = {"id": REFUSED, "at": moment.timestamp(), "method": "POST", "path": "/v1/chat/completions"}
    return Logged(**{**known, "key_prefix": "key-7", "status": 502, "code": "upstream_error", **more})


def explained(request_id: str) -> str:
    out = io.StringIO()
    call_command("explain", request_id, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("known", [REFUSED, f"  {REFUSED} "])
def test_explain_prints_a_refused_call(settings: Any, tmp_path: Path, known: str) -> None:
    settings.DATA_DIR = tmp_path
    write([logged(message="The provider failed to answer.")])
    assert "The client got HTTP 502 (upstream_error)" in explained(known)


def test_a_call_known_only_from_sums_is_reported_by_its_time(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    row = logged(alike=4000)
    write([msgspec.structs.replace(row, until=row.at + 2)])
    for counted in (REFUSED[:-1] + "0", f"req_{int(REFUSED[4:16], 16) + 1500:012x}{REFUSED[16:]}"):
        with pytest.raises(CommandError, match=r"4,000 calls with HTTP 502 .* were only counted around then"):
            explained(counted)
    later = f"req_{int(REFUSED[4:16], 16) + 2500:012x}{REFUSED[16:]}"
    with pytest.raises(CommandError, match="It was made on 2026-") as refusal:
        explained(later)
    assert "only counted" not in str(refusal.value)


@pytest.mark.parametrize("text", ["", "req_", "nobody", "req_" + "g" * 32, REFUSED + "0"])
def test_an_invalid_id_error_shows_the_format(settings: Any, tmp_path: Path, text: str) -> None:
    settings.DATA_DIR = tmp_path
    with pytest.raises(CommandError, match="req_ and 32 digits"):
        explained(text)


def test_lookup_finds_a_call_in_the_ledger(tmp_path: Path) -> None:
    ledger.write([Call(opened("req_1"), closed("req_1"))])
    event, place = found("req_1", tmp_path)
    assert (place, event.tenant, event.cost_nanousd) == ("ledger", "tenant-3", CLOSED_COST)


def test_lookup_reports_an_unshipped_call_like_a_ledger_row(tmp_path: Path) -> None:
    journal(tmp_path, opened("req_0"), opened("req_1"), closed("req_0"), closed("req_1"))
    unshipped, place = found("req_1", tmp_path)
    ledger.write([Call(opened("req_1"), closed("req_1"))])
    event = found("req_1", tmp_path).event
    assert place == "journal"
    same = [field.name for field in UsageEvent._meta.concrete_fields]  # noqa: SLF001 - Django's documented model API
    assert {name: getattr(unshipped, name) for name in same} == {name: getattr(event, name) for name in same}


def test_lookup_finds_a_running_call_and_one_without_attempts(tmp_path: Path) -> None:
    journal(tmp_path, opened("req_1"), opened("req_2"), Void("req_2"))
    assert found("req_1", tmp_path).source == "running"
    assert found("req_2", tmp_path).source == "void"


def test_lookup_finds_no_call_without_data(tmp_path: Path) -> None:
    journal(tmp_path, opened("req_1"))
    assert find("req_9", tmp_path) is None
    assert find("req_9", tmp_path / "no-such-place") is None


def test_explain_prints_a_call_without_decision_and_refuses_an_unknown_one(
    settings: Any, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    journal(tmp_path / "journal", opened("req_1"), closed("req_1"))
    out = io.StringIO()
    call_command("explain", "req_1", stdout=out)
    assert "This was not kept" in out.getvalue()
    assert "in the journal and not in the ledger yet" in out.getvalue()
    with pytest.raises(CommandError, match="No call req_9 is known") as refusal:
        call_command("explain", "req_9")
    assert refusal.value.returncode == 1
