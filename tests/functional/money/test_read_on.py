"""After a client disconnected before the usage came, an answer that still comes is read on, and its call is billed
exactly. An answer that is unfinished, or never comes, ends.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support import sample
from tests.support.books.ledger import row_of, whole_ledger
from tests.support.books.money import samples
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway, merged
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_modes

KEEPER = "sk-keeper.keeper-secret"  # its tenant lets finished streams be kept
LONG = {"metering": {"read_on": "60s"}}
SHORT = {"metering": {"read_on": "300ms"}}
MODELS = ["whole", "streamed", "unending", "silent", "failing", "kept", "embedded"]
PATIENCE = {"connect": "2s", "first_byte": "60s", "idle": "60s", "total": "90s"}


def config(upstream, **more):
    rows = [
        sample.row(name, f"up-on-{name}", upstream.base_url, timeouts=PATIENCE, max_output_tokens=50_000)
        for name in MODELS
    ]
    rows[-1]["model_type"] = "embedding"
    second = sample.row("failing", "up-on-second", upstream.base_url, deployment="second", priority=1)
    people = {
        "tenants": [{"name": "keeper", "stores_answers": True}],
        "api_keys": [sample.key("keeper", KEEPER)],
    }
    return merged(sample.NO_LIMITS, {"model_catalog": [*rows, second], "bootstrap": people}, more)


@pytest.fixture(scope="module")
def gateway(upstream, tmp_path_factory):
    own = config(upstream, **LONG, server={"graceful_shutdown_delay": "200ms"})
    with Gateway(own, tmp_path_factory.mktemp("read-on") / "data") as server:
        yield server


async def is_read_on(gateway, count=1):
    await eventually(lambda: samples(gateway), lambda found: found["gateway_read_on_requests"] == count)


async def leave_a_document(gateway, upstream, model, behavior, body=None, **given):
    """Call, disconnect while the provider works, let it answer once the gateway has noticed; return the call's id."""
    name = f"up-on-{model}"
    upstream.script(name, {"hold_before_head": True, **behavior})
    before = len(upstream.seen(model=name))
    call = asyncio.create_task(ask(gateway.url, KEEPER, body or question(model), **given))
    await upstream.wait("arrived", model=name, count=before + 1)
    call.cancel()
    await asyncio.wait([call])
    await is_read_on(gateway)
    upstream.release(model=name)
    return upstream.seen(model=name)[before]["id"]


async def leave_a_stream(gateway, upstream, behavior, *, events, model="streamed", **more):
    """Ask for a stream, leave after so many events; return the call's id. The provider waits before its usage."""
    upstream.script(f"up-on-{model}", {"hold_before_usage": True, **behavior})
    body, headers = question(model, stream=True, **more), {"idempotency-key": f"left-{len(upstream.seen())}"}
    answer = await ask(gateway.url, KEEPER, body, leave_after=events, headers=headers)
    return answer.id, body, headers


DOCUMENTS = {
    "plain": {},
    "hidden reasoning": {"reasoning_tokens": 19_990, "chunks": 2},
    "cached prompt": {"prompt_tokens": 9_000, "cached_tokens": 4_000},
    "sound": {"audio_output_tokens": 2_000},
}


@pytest.mark.parametrize("behavior", DOCUMENTS.values(), ids=DOCUMENTS)
async def test_usage_of_an_answer_is_billed_exactly_after_disconnect(gateway, upstream, behavior):
    call = await leave_a_document(gateway, upstream, "whole", behavior)
    row = await row_of(gateway, call)
    [seen] = upstream.seen(call=call)
    assert (row["status"], row["http_status"], row["estimated"]) == ("cancelled", 499, False)
    bill = seen["bill"]
    assert (row["input_tokens"], row["output_tokens"]) == (bill["prompt_tokens"], bill["completion_tokens"])
    assert not seen["closed_early"]


async def test_embeddings_are_read_to_the_end_after_disconnect(gateway, upstream):
    body = {"model": "embedded", "input": ["a", "b", "c"]}
    call = await leave_a_document(gateway, upstream, "embedded", {}, body, path="/v1/embeddings")
    row = await row_of(gateway, call)
    assert (row["status"], row["input_tokens"], row["estimated"]) == ("cancelled", 12, False)


async def test_an_answer_read_after_disconnect_is_replayed_to_a_retry(gateway, upstream):
    headers = {"idempotency-key": "read-on"}
    call = await leave_a_document(gateway, upstream, "kept", {}, headers=headers)
    await row_of(gateway, call)
    again = await eventually(
        lambda: ask(gateway.url, KEEPER, question("kept"), headers=headers),
        lambda answer: answer.status == 200,
    )
    assert again.headers["x-original-request-id"] == call
    assert len(upstream.seen(model="up-on-kept")) == 1


STREAMS: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
    "plain": ({}, {}, 7),
    "hidden reasoning": ({"reasoning_tokens": 19_990, "chunks": 2}, {}, 4),
    "sound": ({"audio_output_tokens": 2_000}, {}, 7),
    "two choices": ({"chunks": 3}, {"n": 2}, 10),
    "usage asked for": ({}, {"stream_options": {"include_usage": True}}, 7),
}


@pytest.mark.parametrize("kind", STREAMS)
async def test_usage_of_a_finished_stream_is_billed_exactly_after_disconnect(gateway, upstream, kind):
    behavior, more, events = STREAMS[kind]
    call, body, headers = await leave_a_stream(gateway, upstream, behavior, events=events, **more)
    await is_read_on(gateway)
    upstream.release(call=call)
    row = await row_of(gateway, call)
    [seen] = upstream.seen(call=call)
    assert (row["status"], row["http_status"], row["estimated"]) == ("cancelled", 499, False)
    assert row["output_tokens"] == seen["bill"]["completion_tokens"]
    again = await eventually(
        lambda: ask(gateway.url, KEEPER, body, headers=headers), lambda answer: answer.status == 200
    )
    assert again.saw_the_end  # it came to its end, and may be kept
    assert again.headers["x-original-request-id"] == call


async def test_a_stream_that_is_not_finished_is_cancelled_at_once(gateway, upstream):
    behavior = {"hold_after": 3}
    call, _, _ = await leave_a_stream(gateway, upstream, behavior, events=4, model="unending")
    [seen] = await upstream.wait("closed", call=call)
    assert seen["closed_early"]
    row = await row_of(gateway, call)
    assert (row["status"], row["estimated"]) == ("cancelled", True)


async def test_no_failover_happens_after_the_client_disconnected(gateway, upstream):
    behavior = {"kind": "status", "status": 500}
    call = await leave_a_document(gateway, upstream, "failing", behavior)
    row = await row_of(gateway, call)
    assert (row["status"], row["attempts"]) == ("cancelled", 1)
    assert upstream.seen(model="up-on-second") == []


async def test_answer_that_does_not_end_in_time_is_cancelled_and_estimated(gateway_factory, upstream):
    gateway = gateway_factory(config(upstream, **SHORT), bare=True)
    stream, _, _ = await leave_a_stream(gateway, upstream, {}, events=7, model="silent")
    upstream.script("up-on-whole", {"kind": "hang_before_head"})
    before = len(upstream.seen(model="up-on-whole"))
    call = asyncio.create_task(ask(gateway.url, KEEPER, question("whole")))
    await upstream.wait("arrived", model="up-on-whole", count=before + 1)
    call.cancel()
    document = upstream.seen(model="up-on-whole")[before]["id"]
    for left in (stream, document):
        [seen] = await upstream.wait("closed", call=left)
        assert seen["closed_early"]
        row = await row_of(gateway, left)
        assert (row["status"], row["estimated"]) == ("cancelled", True)
    assert (await samples(gateway))["gateway_read_on_requests"] == 0


async def test_a_shutdown_waits_no_longer_than_its_grace(gateway, upstream):
    upstream.script("up-on-whole", {"kind": "hang_before_head"})
    before = len(upstream.seen(model="up-on-whole"))
    call = asyncio.create_task(ask(gateway.url, KEEPER, question("whole")))
    await upstream.wait("arrived", model="up-on-whole", count=before + 1)
    call.cancel()
    await is_read_on(gateway)
    gateway.stop()  # insists on an end in good order
    gateway.start()
    asked = upstream.seen(model="up-on-whole")[before]["id"]
    [row] = [row for row in await whole_ledger(gateway) if row["id"] == asked]
    assert (row["status"], row["error_code"]) == ("cancelled", "server_shutdown")
