"""No text from outside makes a row invalid: with any text in any field, the call is in the ledger and its money in the
window. A row that the database still refuses is written without its documents, and counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from budgets.models import SpendWindow
from gateway.values.fallback_log import FALLBACKS
from metering.journal.frames import encode
from metering.journal.reader import Call
from metering.journal.segments import Directory
from metering.ledger import write
from metering.ledger.crash_recovery import recover
from metering.ledger.journal_loader import JournalLoader
from metering.ledger.spend_windows import load_windows
from metering.models import UsageEvent
from providers.usage import ImageCount, ToolCount
from tests.integration.metering.shipping import TENANT_JULY
from tests.support.books.calls import CLOSED_COST, closed, opened

pytestmark = pytest.mark.django_db(transaction=True)

TEXTS = {
    "NUL": "\x00",
    "NUL inside": "a\x00b\x00",
    "half a surrogate pair": "\ud800",
    "the other half, and NUL": "x\udc80\x00",
    "an escape as text": "\\u0000",
    "an escaped escape": '\\\\u0000"\\',
    "very long": "x" * 100_000,
    "long in many bytes": "\U0001f600" * 5_000,
    "no characters": "\uffff\U0010ffff\ufffe",
    "controls": "\x01\x1f\x7f\x85\u2028\u202e",
    "tabs and quotes": "\t\\.\n'\"$1;--\\N",
    "undecodable bytes": b"\xff\xfe\x80abc".decode("utf-8", "surrogateescape"),
}
OPEN = (
    "tenant",
    "key_prefix",
    "endpoint",
    "model",
    "provider",
    "deployment",
    "upstream_model",
    "trace_id",
    "idempotency_key",
    "client_request_id",
)
CLOSE = ("provider", "deployment", "upstream_model", "error_code")
LINE = {"kind": "input", "quantity": 1, "unit_price_nanousd": "1", "amount_nanousd": "1", "price_id": 1}


def in_decision(call: Call, text: str) -> Call:
    tried = {"provider": text, "deployment": text, "outcome": text, text: {text: [text]}}
    return call._replace(close=replace(call.close, decision=[{"is": "trace", "arm": text}, tried]))


def in_receipt(call: Call, text: str) -> Call:
    return call._replace(close=replace(call.close, receipt=[{**LINE, "note": text}]))


def in_usage(call: Call, text: str) -> Call:
    usage = replace(
        call.close.usage,
        service_tier=text,
        place=text,
        images=(ImageCount(2, text, text),),
        tool_calls=(ToolCount(text, 1),),
    )
    return call._replace(close=replace(call.close, usage=usage))


def set_open(name: str) -> Any:
    return lambda call, text: call._replace(open=replace(call.open, **{name: text}))


def set_close(name: str) -> Any:
    return lambda call, text: call._replace(close=replace(call.close, **{name: text}))


FIELDS = {
    **{f"open {name}": set_open(name) for name in OPEN},
    **{f"close {name}": set_close(name) for name in CLOSE},
    "decision": in_decision,
    "receipt": in_receipt,
    "usage": in_usage,
}


@pytest.fixture(autouse=True)
def window(transactional_db: None) -> Iterator[None]:
    load_windows([TENANT_JULY])
    FALLBACKS.happened.clear()
    yield
    FALLBACKS.happened.clear()


def spent() -> int:
    return SpendWindow.objects.get().spent_nanousd


@pytest.mark.parametrize("field", FIELDS)
def test_every_text_in_every_field_is_a_row_with_its_documents(field: str) -> None:
    names = [f"req_{number}" for number in range(len(TEXTS))]
    calls = [
        FIELDS[field](Call(opened(name), closed(name)), text)
        for name, text in zip(names, TEXTS.values(), strict=True)
    ]

    write.write(calls)

    assert set(UsageEvent.objects.values_list("id", flat=True)) == set(names)
    assert spent() == len(TEXTS) * CLOSED_COST
    for row in UsageEvent.objects.all():
        assert (row.usage, row.cost_nanousd) != ({}, 0)


@pytest.mark.parametrize("kind", TEXTS)
def test_a_journal_of_hostile_texts_is_adopted_without_loss(tmp_path: Path, kind: str) -> None:
    dead = Directory.create(tmp_path)
    calls = [
        set_field(Call(opened(f"req_{number}"), closed(f"req_{number}")), TEXTS[kind])
        for number, set_field in enumerate(FIELDS.values())
    ]
    dead.segment(1).write_bytes(b"".join(encode(call.open) + encode(call.close) for call in calls))
    dead.release()

    [adopted] = recover(tmp_path)

    assert (adopted.rejected_ids, UsageEvent.objects.count()) == ((), len(FIELDS))
    assert spent() == len(FIELDS) * CLOSED_COST
    assert not FALLBACKS.happened["ledger_row_documents"]
    assert list(tmp_path.iterdir()) == []


def test_text_entered_by_users_is_stored_unchanged() -> None:
    write.write([in_receipt(Call(opened("req_1"), closed("req_1")), "\\u0000 and \x00")])

    assert UsageEvent.objects.get().receipt[0]["note"] == "\\u0000 and "


@pytest.mark.parametrize("refused", ["decision", "receipt", "usage"])
def test_a_row_that_is_refused_is_written_without_its_documents_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    document = write._document  # noqa: SLF001

    def broken(value: Any) -> str:
        text = document(value)
        return "{nonsense" if "poison" in text else text

    monkeypatch.setattr(write, "_document", broken)
    bad = FIELDS[refused](Call(opened("req_bad"), closed("req_bad")), "poison")
    directory = Directory.create(tmp_path)
    shipment = JournalLoader(directory)

    posts = shipment.insert([Call(opened("req_1"), closed("req_1")), bad])

    row = UsageEvent.objects.get(id="req_bad")
    assert (row.cost_nanousd, row.receipt, row.decision) == (CLOSED_COST, [], [])
    assert row.images == (2 if refused == "usage" else 0)
    assert (spent(), shipment.rejected) == (2 * CLOSED_COST, [])
    assert sum(post.added_nanousd or 0 for post in posts) == 2 * CLOSED_COST
    assert FALLBACKS.happened["ledger_row_documents"] == 1
    assert json.dumps(row.usage).count("poison") == 0
    directory.release()
