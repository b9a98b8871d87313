"""The row for each way a call can end: one row, the true tokens, and the deployment that answered."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support import sample
from tests.support.books.ledger import committed, row_of, whole_ledger
from tests.support.books.money import nanousd, query, settled
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway

pytestmark = pytest.mark.both_modes

KEY = "sk-bookkeeper.bookkeeper-secret"
MODELS = ["plain", "silent", "left", "waits", "broken", "cached", "fails"]
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def config(endpoint, closed_port):
    return {
        **sample.NO_LIMITS,
        "model_catalog": [
            *(sample.row(name, f"up-books-{name}", endpoint) for name in MODELS),
            sample.row("stalls", "up-books-stalls", endpoint, timeouts=sample.IMPATIENT),
            sample.row("over", "up-books-over-a", endpoint, deployment="over-a", price_output=4.0),
            sample.row(
                "over", "up-books-over-b", endpoint, deployment="over-b", priority=1, price_output=6.0
            ),
            sample.row("dead", "up-books-dead", f"http://127.0.0.1:{closed_port}/v1"),
        ],
        "bootstrap": {"tenants": [{"name": "books"}], "api_keys": [sample.key("books", KEY)]},
    }


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("books") / "data"
    with Gateway(config(upstream.base_url, closed_port), data_dir) as server:
        yield server


async def rows(gateway, *answers):
    """Return the one row of each answer, from the ledger."""
    ledger = await whole_ledger(gateway)
    found = [[row for row in ledger if row["id"] == answer.id] for answer in answers]
    assert all(len(each) == 1 for each in found), found
    return [each[0] for each in found]


def cost(row):
    return row["input_tokens"] * sample.INPUT_NANOUSD + row["output_tokens"] * sample.OUTPUT_NANOUSD


@pytest.mark.parametrize("stream", [False, True])
async def test_a_finished_call_has_the_providers_numbers(gateway, upstream, stream):
    upstream.script("up-books-plain", {"prompt_tokens": 12, "chunks": 7})
    answer = await ask(gateway.url, KEY, question("plain", stream=stream), headers={"traceparent": TRACE})
    [row] = await rows(gateway, answer)
    assert (row["status"], row["http_status"], row["error_code"]) == ("ok", 200, "")
    assert (row["input_tokens"], row["output_tokens"], row["estimated"]) == (12, 7, False)
    assert row["cost_nanousd"] == cost(row) == 12_000 + 14_000
    assert (row["tenant"], row["api_key_prefix"], row["endpoint"]) == (
        "books",
        "bookkeeper",
        "chat.completions",
    )
    assert (row["model"], row["upstream_model"]) == ("plain", "up-books-plain")
    assert (row["stream"], row["attempts"], row["trace_id"]) == (stream, 1, TRACE[3:35])
    assert row["latency_ms"] > 0
    assert (row["ttft_ms"] is not None) is stream
    if not stream:
        assert nanousd(answer.headers["x-gateway-cost-usd"]) == row["cost_nanousd"]


@pytest.mark.parametrize("stream", [False, True])
async def test_missing_usage_is_estimated_and_never_zero(gateway, upstream, stream):
    upstream.script("up-books-silent", {"usage": "never", "chunks": 30})
    answer = await ask(gateway.url, KEY, question("silent", stream=stream))
    [row] = await rows(gateway, answer)
    assert (row["status"], row["estimated"]) == ("ok", True)
    assert row["output_tokens"] == 30  # the tokenizer ships with the gateway
    assert 0 < row["input_tokens"] < 20
    assert row["cost_nanousd"] == cost(row)


async def test_parts_of_a_bill_are_kept_apart(gateway, upstream):
    upstream.script(
        "up-books-cached", {"prompt_tokens": 100, "cached_tokens": 60, "reasoning_tokens": 8, "chunks": 4}
    )
    [row] = await rows(gateway, await ask(gateway.url, KEY, question("cached")))
    assert (row["input_tokens"], row["cached_input_tokens"]) == (100, 60)
    assert (row["output_tokens"], row["reasoning_tokens"]) == (12, 8)


async def test_cancelled_stream_is_billed_for_its_output_so_far(gateway, upstream):
    upstream.script("up-books-left", {"chunks": 40, "hold_after": 10})
    answer = await ask(gateway.url, KEY, question("left", stream=True), leave_after=11)
    [seen] = await upstream.wait("closed", call=answer.id)
    [row] = await rows(gateway, answer)
    assert (row["status"], row["http_status"], row["error_code"]) == ("cancelled", 499, "client_disconnected")
    assert (row["estimated"], row["output_tokens"]) == (True, 10)
    assert row["output_tokens"] == seen["bill"]["completion_tokens"]
    assert row["cost_nanousd"] == cost(row)


async def test_call_cancelled_before_the_first_byte_is_billed_for_its_prompt(gateway, upstream):
    upstream.script("up-books-waits", {"hold_before_head": True})
    asked = asyncio.create_task(ask(gateway.url, KEY, question("waits")))
    [seen] = await upstream.wait("arrived", model="up-books-waits")
    asked.cancel()
    await asyncio.wait([asked])
    await upstream.wait("closed", call=seen["id"])
    row = await row_of(gateway, seen["id"])
    assert (row["status"], row["estimated"], row["output_tokens"]) == ("cancelled", True, 0)
    assert row["cost_nanousd"] == cost(row) > 0


@pytest.mark.parametrize("end", ["cut", "drop", "reset", "error", "malformed", "stall"])
async def test_broken_stream_is_incomplete_and_billed_for_its_output_so_far(gateway, upstream, end):
    model = "stalls" if end == "stall" else "broken"
    upstream.script(f"up-books-{model}", {"chunks": 20, "after": 6, "end": end})
    answer = await ask(gateway.url, KEY, question(model, stream=True))
    assert b"[DONE]" not in answer.body
    assert b'"error"' in answer.body
    [row] = await rows(gateway, answer)
    assert (row["status"], row["estimated"], row["output_tokens"]) == ("incomplete", True, 6)
    assert row["error_code"] == ("upstream_timeout" if end == "stall" else "upstream_error")
    assert row["cost_nanousd"] == cost(row)


async def test_call_refused_by_the_provider_costs_nothing_and_has_a_row(gateway, upstream):
    upstream.script("up-books-fails", {"kind": "status", "status": 500}, {"kind": "status", "status": 422})
    answers = [await ask(gateway.url, KEY, question("fails")) for _ in range(2)]
    assert [answer.status for answer in answers] == [502, 422]
    broken, refused = await rows(gateway, *answers)
    assert [(row["status"], row["cost_nanousd"]) for row in (broken, refused)] == [("error", 0)] * 2
    assert (broken["http_status"], broken["error_code"]) == (502, "upstream_error")
    assert refused["http_status"] == 422


async def test_a_call_that_never_reached_a_provider_has_no_row(gateway):
    answer = await ask(gateway.url, KEY, question("dead"))
    assert answer.status == 502
    assert answer.id not in {row["id"] for row in await whole_ledger(gateway)}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_that_failed_over_is_one_row_at_the_answering_deployments_price(
    gateway, upstream, stream
):
    upstream.script("up-books-over-a", {"kind": "status", "status": 503})
    upstream.script("up-books-over-b", {"prompt_tokens": 10, "chunks": 5})
    answer = await ask(gateway.url, KEY, question("over", stream=stream))
    assert (answer.headers["x-gateway-deployment"], answer.headers["x-gateway-attempts"]) == ("over-b", "2")
    assert len(upstream.bills()[answer.id]) == 2
    [row] = await rows(gateway, answer)
    assert (row["attempts"], row["deployment"], row["upstream_model"]) == (2, "over-b", "up-books-over-b")
    assert (row["status"], row["cost_nanousd"]) == ("ok", 10_000 + 5 * 6_000)
    [[[trace, *attempts]]] = decisions(gateway, answer.id)
    assert trace["order"] == ["over-a", "over-b"]
    assert [(each["deployment"], each["outcome"] == "ok") for each in attempts] == [
        ("over-a", False),
        ("over-b", True),
    ]


def decisions(gateway, call):
    found = query(gateway, "SELECT decision FROM metering_usageevent WHERE id = ?", call)
    return [[json.loads(text) for text in line] for line in found]


async def test_ledger_agrees_with_the_providers_bills(gateway, upstream):
    await settled(gateway)
    gateway.manage("reconcile")
    mine = {
        call
        for call, attempts in upstream.bills().items()
        if any(attempt["model"].startswith("up-books-") for attempt in attempts)
    }
    ledger = [row["id"] for row in committed(gateway)]
    assert len(ledger) == len(set(ledger))
    assert set(ledger) == mine
