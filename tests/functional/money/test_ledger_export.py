"""The ledger as finance reads it, beside a gateway that serves: export_usage and reconcile."""

from __future__ import annotations

import asyncio
import csv
import io

import pytest

from tests.support import sample
from tests.support.books.ledger import committed, whole_ledger
from tests.support.books.money import settled
from tests.support.clients.raw_calls import ask, question

pytestmark = pytest.mark.both_modes

ONE, TWO = "sk-one.one-secret", "sk-two.two-secret"
PATIENT = {"first_byte": "60s", "total": "90s"}
FIELDS = [
    *("id", "started_at", "finished_at", "tenant", "api_key_prefix", "endpoint", "model", "provider"),
    *("deployment", "upstream_model", "status", "http_status", "error_code", "stream", "attempts"),
    *("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"),
    *("images", "audio_seconds", "characters", "estimated", "cost_nanousd", "unsettled_nanousd"),
    *("latency_ms", "ttft_ms", "overhead_ms", "trace_id", "idempotency_key"),
]


def config(upstream):
    return {
        **sample.NO_LIMITS,
        "model_catalog": [
            sample.row("chat", "up-export", upstream.base_url),
            sample.row("held", "up-export-held", upstream.base_url, timeouts=PATIENT),
        ],
        "bootstrap": {
            "tenants": [{"name": "first"}, {"name": "second"}],
            "api_keys": [sample.key("first", ONE), sample.key("second", TWO)],
        },
    }


async def test_the_ledger_is_exported_while_calls_run(gateway_factory, upstream):
    gateway = gateway_factory(config(upstream), bare=True)
    upstream.script("up-export-held", {"hold_before_head": True})
    first = await ask(gateway.url, ONE, question("chat"))
    await settled(gateway)
    running = asyncio.create_task(ask(gateway.url, ONE, question("held")))
    await upstream.wait("arrived", model="up-export-held")
    assert [row["id"] for row in committed(gateway)] == [first.id]  # what runs is not in it yet
    upstream.release(model="up-export-held")
    second = await running
    third = await ask(gateway.url, TWO, question("chat", stream=True))
    ledger = await whole_ledger(gateway)
    assert [row["id"] for row in ledger] == [first.id, second.id, third.id]
    assert list(ledger[0]) == FIELDS
    assert [row["id"] for row in gateway.export_usage("--tenant", "second")] == [third.id]
    since = ledger[1]["started_at"]
    assert [row["id"] for row in gateway.export_usage("--since", since)] == [second.id, third.id]
    assert [row["id"] for row in gateway.export_usage("--until", since)] == [first.id]
    text = "\n".join(gateway.manage("export_usage", "--format", "csv"))
    [head, *lines] = list(csv.reader(io.StringIO(text)))
    assert head == FIELDS
    assert [line[0] for line in lines] == [first.id, second.id, third.id]
    gateway.manage("export_usage", "--since", "yesterday", code=2)
    gateway.manage("export_usage", "--tenant", "nobody", code=1)


async def test_reconcile_reports_a_changed_number(gateway_factory, upstream):
    gateway = gateway_factory(config(upstream), bare=True)
    await ask(gateway.url, ONE, question("chat"))
    await settled(gateway)
    assert "Everything agrees." in gateway.manage("reconcile")
    gateway.sql("UPDATE budgets_spendwindow SET spent_nanousd = spent_nanousd + 1")
    told = gateway.manage("reconcile", code=1)
    assert any("disagree" in line for line in told)
    assert any("tenant:" in line for line in told)
    gateway.manage("reconcile", "--since", "never", code=2)
