"""A call is found wherever it is: in the ledger, or in a journal that nobody has shipped."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from metering import ledger
from metering.frames import encode
from metering.lookup import Found, find
from metering.models import UsageEvent
from metering.records import Record, Void
from metering.tail import Call
from tests.calls import CLOSED_COST, closed, opened

pytestmark = pytest.mark.django_db(transaction=True)


def journal(root: Path, *records: Record) -> None:
    directory = root / "boot-1"
    directory.mkdir(parents=True)
    (directory / "00000001.log").write_bytes(b"".join(encode(record) for record in records))


def found(request_id: str, root: Path) -> Found:
    call = find(request_id, root)
    assert call is not None
    return call


def test_it_finds_a_call_in_the_ledger(tmp_path: Path) -> None:
    ledger.write([Call(opened("req_1"), closed("req_1"))])
    event, place = found("req_1", tmp_path)
    assert (place, event.tenant, event.cost_nanousd) == ("ledger", "tenant-3", CLOSED_COST)


def test_it_finds_a_call_that_ended_but_was_not_shipped_and_tells_it_like_the_ledger(tmp_path: Path) -> None:
    journal(tmp_path, opened("req_0"), opened("req_1"), closed("req_0"), closed("req_1"))
    unshipped, place = found("req_1", tmp_path)
    ledger.write([Call(opened("req_1"), closed("req_1"))])
    event = found("req_1", tmp_path).event
    assert place == "journal"
    same = [field.name for field in UsageEvent._meta.concrete_fields]  # noqa: SLF001 - Django's documented model API
    assert {name: getattr(unshipped, name) for name in same} == {name: getattr(event, name) for name in same}


def test_it_finds_a_call_that_runs_and_one_that_reached_nobody(tmp_path: Path) -> None:
    journal(tmp_path, opened("req_1"), opened("req_2"), Void("req_2"))
    assert found("req_1", tmp_path).place == "running"
    assert found("req_2", tmp_path).place == "void"


def test_it_finds_nothing_where_nothing_is(tmp_path: Path) -> None:
    journal(tmp_path, opened("req_1"))
    assert find("req_9", tmp_path) is None
    assert find("req_9", tmp_path / "no-such-place") is None


def test_the_command_tells_a_call_without_its_decision_and_refuses_an_unknown_one(
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
