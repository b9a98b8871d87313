"""A client that disconnects cancels the provider's call at every stage; its call is one row `cancelled`."""

from __future__ import annotations

import asyncio

import pytest

from tests.support import sample
from tests.support.books.ledger import row_of, whole_ledger
from tests.support.books.money import samples, settled
from tests.support.clients.raw_calls import question
from tests.support.faults.unresponsive_port import deaf_port
from tests.support.servers.gateway import Gateway, merged
from tests.support.servers.upstream import CALL_S
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_modes

MODEL, UPSTREAM = "leaving", "up-leaving"
PATIENCE = {
    "first_byte": "60s",
    "idle": "60s",
    "total": "90s",
}  # no timeout ends what a client has disconnected
MOMENTS = {
    "before the head": ({"kind": "hang_before_head"}, "arrived", True),
    "before the head, no stream": ({"kind": "hang_before_head"}, "arrived", False),
    "inside the body, no stream": ({"kind": "hang_after_head"}, "head", False),
    "after the head": ({"kind": "hang_after_head"}, "head", True),
    "after the role": ({"end": "stall", "after": 0}, "head", True),
    "between chunks": ({"hold_after": 2}, "chunk", True),
    "while chunks flow": ({"chunks": 20_000, "pause": 0.005}, "chunk", True),
}


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    with deaf_port() as port:
        rows = [
            sample.row(MODEL, UPSTREAM, upstream.base_url, timeouts=PATIENCE),
            sample.row("deaf", "up-deaf", f"http://127.0.0.1:{port}/v1"),
        ]
        config = merged(sample.config(upstream.base_url, closed_port), {"model_catalog": rows})
        with Gateway(config, tmp_path_factory.mktemp("leaving") / "data") as server:
            yield server


async def leave(gateway, upstream, behavior, moment, *, stream):
    """Leave at the moment; return what the provider saw once its call has ended, which nothing else would end."""
    upstream.script(UPSTREAM, behavior)
    before = len(upstream.seen(model=UPSTREAM))
    async with gateway.client(sample.CHARLIE) as client:
        call = asyncio.create_task(read(client, stream=stream))
        await upstream.wait("arrived", model=UPSTREAM, count=before + 1)
        name = upstream.seen(model=UPSTREAM)[-1]["id"]
        await upstream.wait(moment, call=name)
        call.cancel()
        await asyncio.wait([call], timeout=CALL_S)
    [seen] = await upstream.wait("closed", call=name)
    return seen


async def read(client, *, stream):
    async with client.stream("POST", "/v1/chat/completions", json=question(MODEL, stream=stream)) as answer:
        await answer.aread()


@pytest.mark.parametrize("moment", MOMENTS)
async def test_the_provider_is_cancelled_as_soon_as_the_client_has_left(gateway, upstream, moment):
    behavior, event, stream = MOMENTS[moment]
    seen = await leave(gateway, upstream, behavior, event, stream=stream)
    assert seen["closed_early"]


async def test_a_disconnected_call_is_one_cancelled_row_that_bills_the_output(gateway, upstream):
    seen = await leave(gateway, upstream, {"hold_after": 3}, "chunk", stream=True)
    row = await row_of(gateway, seen["id"])
    assert (row["status"], row["http_status"], row["estimated"]) == ("cancelled", 499, True)
    assert row["output_tokens"] <= 3


async def test_a_client_that_left_before_the_answer_is_one_row_too(gateway, upstream):
    seen = await leave(gateway, upstream, {"kind": "hang_before_head"}, "arrived", stream=False)
    row = await row_of(gateway, seen["id"])
    assert (row["status"], row["output_tokens"]) == ("cancelled", 0)


async def test_a_disconnect_before_any_attempt_makes_no_row_and_costs_nothing(gateway):
    await settled(gateway)
    async with gateway.client(sample.CHARLIE) as client:
        call = asyncio.create_task(read_from(client, "deaf"))
        await eventually(lambda: samples(gateway), lambda found: found["gateway_inflight_requests"])
        call.cancel()
        await asyncio.wait([call], timeout=CALL_S)
    rows = await whole_ledger(gateway)
    assert [row for row in rows if row["model"] == "deaf"] == []


async def read_from(client, model):
    await client.post("/v1/chat/completions", json=question(model))
