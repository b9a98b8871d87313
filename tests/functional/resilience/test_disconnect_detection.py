"""A disconnect is noticed with a body of any size, also if the client has sent bytes ahead: the provider's call is
cancelled, and the call is one row `cancelled`.
"""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

import msgspec
import pytest

from tests.support import sample
from tests.support.books.ledger import row_of

KB, MB = 1024, 1024 * 1024
SIZES = [
    60 * KB,
    130 * KB,
    200 * KB,
    260 * KB,
    300 * KB,
    400 * KB,
    500 * KB,
    800 * KB,
    3 * MB // 2,
    5 * MB,
    19 * MB,
]
UPSTREAM = "up-departing"


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    from tests.support.servers.gateway import Gateway  # noqa: PLC0415 - a fixture of the same name is in conftest

    config = sample.config(upstream.base_url, closed_port)
    row = sample.row("departing", UPSTREAM, upstream.base_url, context_window=None, max_output_tokens=16)
    row["timeouts"] = {"connect": "2s", "first_byte": "30s", "idle": "30s", "total": "30s"}
    config["model_catalog"] = [*config["model_catalog"], row]
    config["metering"] = {**config["metering"], "read_on": "20ms"}  # then the call is cancelled
    with Gateway(config, tmp_path_factory.mktemp("departing") / "data") as server:
        yield server


def question(size, *, stream=False):
    text = b"word " * (size // 5)
    flag = b"true" if stream else b"false"
    body = b'{"model":"departing","stream":%s,"messages":[{"role":"user","content":"%s"}]}' % (flag, text)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {sample.ALICE}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def leave(gateway, upstream, *sent, politely=True):
    """Send, leave once the provider has the question; return what the provider saw of it."""
    upstream.script(UPSTREAM, {"kind": "hang_before_head"})
    before = len(upstream.seen(model=UPSTREAM))
    address = urlsplit(gateway.url)
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    for piece in sent:
        writer.write(piece)
    await upstream.wait("arrived", model=UPSTREAM, count=before + 1)
    name = upstream.seen(model=UPSTREAM)[-1]["id"]
    if politely:
        writer.close()
    else:
        writer.transport.abort()
    [seen] = await upstream.wait("closed", call=name)
    writer.transport.abort()
    return seen


@pytest.mark.parametrize("politely", [True, False], ids=["closing", "resetting"])
@pytest.mark.parametrize("size", SIZES)
async def test_disconnect_is_noticed_for_every_body_size(gateway, upstream, size, politely):
    seen = await leave(gateway, upstream, question(size), politely=politely)
    assert seen["closed_early"]


def half_closed(gateway, *sent):
    """Send, and end that side of the connection, as `nc -N` does."""
    address = urlsplit(gateway.url)
    client = socket.create_connection((address.hostname, address.port), 30)
    for piece in sent:
        client.sendall(piece)
    client.shutdown(socket.SHUT_WR)
    return client


async def whole(client):
    """Return all that comes until the gateway closes."""
    reader, writer = await asyncio.open_connection(sock=client)
    found = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return found


@pytest.mark.parametrize("size", [200, 300 * KB, 5 * MB])
async def test_half_closed_client_gets_its_answer(gateway, upstream, size):
    for is_stream in (False, True):
        upstream.script(UPSTREAM, {"hold_before_head": True})
        before = len(upstream.seen(model=UPSTREAM))
        client = half_closed(gateway, question(size, stream=is_stream))
        await upstream.wait("arrived", model=UPSTREAM, count=before + 1)
        upstream.release(model=UPSTREAM)
        answer = await whole(client)
        head, _, rest = answer.partition(b"\r\n\r\n")
        assert head == b"HTTP/1.1 100 Continue"
        assert rest.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"connection: close" in rest.partition(b"\r\n\r\n")[0].split(b"\r\n")
        assert (b"data: [DONE]" if is_stream else b'"model":"departing"') in rest.replace(b'": "', b'":"')


async def test_half_close_does_not_lose_an_answer_without_body(gateway):
    asked = (
        f"HEAD /v1/models HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {sample.ALICE}\r\n\r\n".encode()
    )
    for _ in range(10):
        assert b"HTTP/1.1 200 OK\r\n" in await whole(half_closed(gateway, asked))


async def test_disconnect_after_a_half_close_is_noticed(gateway, upstream):
    upstream.script(UPSTREAM, {"kind": "hang_before_head"})
    before = len(upstream.seen(model=UPSTREAM))
    client = half_closed(gateway, question(300 * KB))
    await upstream.wait("arrived", model=UPSTREAM, count=before + 1)
    client.close()  # what it has not read of the gateway's knock is a reset
    [seen] = await upstream.wait("closed", call=upstream.seen(model=UPSTREAM)[-1]["id"])
    assert seen["closed_early"]


@pytest.mark.parametrize("sent", [
    question(200)[:-20],  # not all of it
    question(200).replace(b"HTTP/1.1", b"HTTP/1.0", 1),  # which knows no 100
    question(200) * 2,  # and several
])  # fmt: skip
async def test_half_close_ends_all_but_a_single_whole_request_of_http_1_1(gateway, upstream, sent):
    upstream.script(UPSTREAM, {"kind": "hang_before_head"})
    assert await whole(half_closed(gateway, sent)) == b""


AHEAD = {
    "a whole question": question(200),
    "a long question": question(300 * KB),
    "half a question": question(200)[:-20],
    "very many questions": question(200) * 500,
}


@pytest.mark.parametrize("ahead", AHEAD)
@pytest.mark.parametrize("size", [200, 300 * KB])
async def test_disconnect_is_noticed_when_data_was_pipelined(gateway, upstream, size, ahead):
    address = urlsplit(gateway.url)
    assert address.port
    upstream.script(UPSTREAM, {"kind": "hang_before_head"})
    before = len(upstream.seen(model=UPSTREAM))
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(question(size) + AHEAD[ahead])
    await upstream.wait("arrived", model=UPSTREAM, count=before + 1)
    name = upstream.seen(model=UPSTREAM)[-1]["id"]
    writer.transport.set_write_buffer_limits(0)
    writer.close()
    [seen] = await upstream.wait("closed", call=name)
    assert seen["closed_early"]
    assert len(upstream.seen(model=UPSTREAM)) == before + 1  # no client waits for an answer to the others


@pytest.mark.parametrize("size", [60 * KB, 300 * KB, 5 * MB])
async def test_call_of_a_disconnected_client_is_one_cancelled_row(gateway, upstream, size):
    seen = await leave(gateway, upstream, question(size))
    row = await row_of(gateway, seen["id"])
    assert (row["status"], row["http_status"]) == ("cancelled", 499)


async def test_connected_client_gets_both_pipelined_answers(gateway, upstream):
    upstream.script(UPSTREAM, {"delay": 0.8})
    address = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(question(300 * KB) + question(300 * KB))
    for _ in range(2):
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        body = await reader.readexactly(int(lines[b"content-length"]))
        assert msgspec.json.decode(body)["model"] == "departing"
    writer.transport.abort()
