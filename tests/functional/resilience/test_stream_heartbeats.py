"""While a provider sends nothing, the client gets comments; a client that stops reading blocks nothing for long."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import openai
import pytest

from tests.support import sample
from tests.support.books.ledger import row_of
from tests.support.clients.raw_calls import question
from tests.support.servers.gateway import Gateway, merged

PING = b": ping\n\n"
MODEL, UPSTREAM = "m3", "up-m3"
HASTE = {"streams": {"heartbeat": "100ms", "client_stall": "1s"}}
PAGE_KB = 4


@pytest.fixture(scope="module")
def hasty(upstream, closed_port, tmp_path_factory):
    """Yield a gateway whose heart beats ten times a second."""
    long = {
        "max_output_tokens": 50_000_000,
        "context_window": 100_000_000,
    }  # 40 MB are no more than it may write
    rows = [sample.row("torrent", "up-torrent", upstream.base_url, **long)]
    config = merged(sample.config(upstream.base_url, closed_port), HASTE, {"model_catalog": rows})
    with Gateway(config, tmp_path_factory.mktemp("hasty") / "data") as server:
        yield server


def rss_kb(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_KB


async def collect(gateway, upstream, until, model=MODEL):
    """Read a stream until it has `until`, then let the provider continue, and return all that came."""
    received = b""
    async with (
        gateway.client(sample.ALICE) as client,
        client.stream("POST", "/v1/chat/completions", json=question(model, stream=True)) as answer,
    ):
        parts = answer.aiter_raw()
        while until not in received:
            received += await anext(parts)
        upstream.release(call=answer.headers["x-request-id"])
        async for part in parts:
            received += part
    return answer, received


async def test_stream_pings_a_client_that_waits_for_the_first_content(hasty, upstream):
    upstream.script(UPSTREAM, {"hold_before_head": True})
    answer, received = await collect(hasty, upstream, PING)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert "x-budget-limit-usd" in answer.headers
    assert received.startswith(PING)
    assert received.endswith(b"data: [DONE]\n\n")
    row = await row_of(hasty, answer.headers["x-request-id"])
    assert (row["status"], row["http_status"], row["output_tokens"]) == ("ok", 200, 5)


async def test_stream_pings_between_events_and_the_official_client_accepts_them(hasty, upstream):
    upstream.script(UPSTREAM, {"hold_after": 2})
    _, received = await collect(hasty, upstream, PING)
    assert received.index(b" word") < received.index(PING) < received.index(b"[DONE]")
    upstream.script(UPSTREAM, {"hold_before_head": True, "pause": 0.15})
    async with hasty.openai(sample.ALICE) as client:
        stream = await client.chat.completions.create(**question(MODEL, stream=True))
        upstream.release(model=UPSTREAM)  # the provider has said nothing: the head came with a ping
        chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == " word" * 5


async def test_stream_still_fails_over_after_a_ping(hasty, upstream):
    upstream.script("up-a", {"kind": "status", "status": 503, "hold_before_head": True})
    upstream.script("up-b", {})
    _, received = await collect(hasty, upstream, PING, "pair")
    assert received.startswith(PING)
    assert received.count(b" word") == 5


async def test_a_failure_after_a_ping_is_an_event_that_the_official_client_raises(hasty, upstream):
    upstream.script(UPSTREAM, {"kind": "status", "status": 500, "hold_before_head": True})
    async with hasty.openai(sample.ALICE) as client:
        stream = await client.chat.completions.create(**question(MODEL, stream=True))
        upstream.release(model=UPSTREAM)  # the provider has said nothing: the head came with a ping
        with pytest.raises(openai.APIError) as raised:
            [chunk async for chunk in stream]
    assert raised.value.code == "upstream_error"
    row = await row_of(hasty, stream.response.headers["x-request-id"])
    assert (row["status"], row["http_status"], row["error_code"], row["cost_nanousd"]) == (
        "error",
        200,
        "upstream_error",
        0,
    )


async def test_stream_fails_with_a_status_while_no_ping_was_due(shared_gateway, upstream):
    upstream.script(UPSTREAM, {"kind": "status", "status": 503, "delay": 0.2})
    async with shared_gateway.client(sample.ALICE) as client:
        answer = await client.post("/v1/chat/completions", json=question(MODEL, stream=True))
    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "upstream_error"


async def test_stream_ends_for_a_client_that_stops_reading_with_backpressure(hasty, upstream):
    """40 MiB are offered; what is not read is not taken from the provider, and a second of it is the end."""
    megabyte = json.dumps({"choices": [{"index": 0, "delta": {"content": "x" * 1_000_000}}]})
    upstream.script("up-torrent", {"kind": "events", "events": [megabyte] * 40})
    before = rss_kb(hasty.pid)
    body = json.dumps(question("torrent", stream=True)).encode()
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", int(hasty.url.rpartition(":")[2])))
    client.sendall(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        + f"authorization: Bearer {sample.ALICE}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        + body
    )
    [seen] = await upstream.wait("closed", model="up-torrent")
    client.close()
    assert seen["bytes_sent"] < 20_000_000
    assert rss_kb(hasty.pid) - before < 40_000
    row = await row_of(hasty, seen["id"])
    assert (row["status"], row["error_code"], row["http_status"]) == ("cancelled", "client_stalled", 499)
    assert row["output_tokens"] > 0
