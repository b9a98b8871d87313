"""export_usage: the ledger as other programs read it."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from django.core.management import CommandError, call_command

from metering.journal.reader import Call
from metering.ledger import exports, write
from tenants.models import Tenant
from tests.support.books.calls import CLOSED_COST, NOON, closed, opened

pytestmark = pytest.mark.django_db(transaction=True)

FIELDS = (
    "id, started_at, finished_at, tenant, api_key_prefix, endpoint, model, provider, deployment, upstream_model, "
    "status, http_status, error_code, stream, attempts, input_tokens, cached_input_tokens, cache_write_tokens, "
    "output_tokens, reasoning_tokens, images, audio_seconds, characters, estimated, cost_nanousd, "
    "unsettled_nanousd, latency_ms, ttft_ms, overhead_ms, trace_id, idempotency_key"
)


def record(request_id: str, *, at: float = NOON, tenant: int = 3, **fields: Any) -> None:
    call = Call(
        msgspec.structs.replace(opened(request_id, at=at, tenant=tenant), **fields),
        closed(request_id, at=at + 2),
    )
    write.write([call])


def export(*arguments: str) -> str:
    out = io.StringIO()
    call_command("export_usage", *arguments, stdout=out)
    return out.getvalue()


def exported_ids(*arguments: str) -> list[str]:
    return [json.loads(line)["id"] for line in export(*arguments).splitlines()]


def test_a_line_has_exactly_the_fields_of_the_contract() -> None:
    record("req_1")

    assert list(json.loads(export())) == FIELDS.split(", ")


def test_amounts_are_integers_and_instants_are_utc() -> None:
    record("req_1", at=NOON + 0.25)

    line = json.loads(export())

    assert line["cost_nanousd"] == CLOSED_COST
    assert line["started_at"] == "2026-07-24T12:00:00.250000Z"
    assert (line["input_tokens"], line["output_tokens"]) == (100, 50)
    assert (line["estimated"], line["stream"], line["ttft_ms"]) == (False, False, None)


def test_calls_come_oldest_first_and_only_of_the_period() -> None:
    for n in (3, 1, 2, 4):
        record(f"req_{n}", at=NOON + n * 60)

    found = exported_ids("--since", "2026-07-24T12:02:00Z", "--until", "2026-07-24T12:04:00")

    assert found == ["req_2", "req_3"]


def test_a_tenant_s_calls_are_found_even_after_it_was_renamed_or_deleted() -> None:
    renamed = Tenant.objects.create(name="new name")
    record("req_1", tenant=renamed.pk)
    record("req_2", tenant=renamed.pk + 1)

    assert exported_ids("--tenant", "new name") == ["req_1"]
    assert exported_ids("--tenant", f"tenant-{renamed.pk + 1}") == ["req_2"]


def test_unknown_tenant_is_refused_with_a_hint() -> None:
    Tenant.objects.create(name="acme")

    with pytest.raises(CommandError, match="Did you mean: acme") as refusal:
        export("--tenant", "acne")

    assert refusal.value.returncode == 1


def test_a_bad_instant_is_bad_usage() -> None:
    with pytest.raises(CommandError) as refusal:
        export("--since", "yesterday")

    assert refusal.value.returncode == 2


def test_csv_has_the_same_fields_and_no_formulas() -> None:
    record("req_1", idempotency_key='=HYPERLINK("http://x","y")', model="a,b")

    [line] = csv.DictReader(io.StringIO(export("--format", "csv")))

    assert list(line) == FIELDS.split(", ")
    assert line["idempotency_key"] == '\'=HYPERLINK("http://x","y")'
    assert (line["model"], line["cost_nanousd"], line["ttft_ms"]) == ("a,b", str(CLOSED_COST), "")
    assert (line["stream"], line["started_at"]) == ("false", "2026-07-24T12:00:00Z")


def test_an_empty_ledger_is_an_empty_answer() -> None:
    assert export() == ""


def test_export_keeps_only_a_chunk_of_the_ledger_in_memory() -> None:
    def peak_of(count: int) -> int:
        write.write([Call(opened(f"req_{n}"), closed(f"req_{n}")) for n in range(count)])
        tracemalloc.start()
        for _ in exports.calls(exports.Period()):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    few, many = peak_of(2000), peak_of(6000)

    assert many < 1.5 * few


def test_a_period_without_a_zone_is_utc() -> None:
    assert exports.Period.parse("2026-07-24", "").since == datetime(2026, 7, 24, tzinfo=UTC)
