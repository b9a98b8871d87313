"""Sockets that are slow, endless or ambiguous are closed in time, and other calls continue."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.support import sample
from tests.support.clients.raw_calls import question
from tests.support.servers.gateway import Gateway, merged

HEAD = f"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {sample.ALICE}\r\n"
JSON = "content-type: application/json\r\n"
MB = 1024 * 1024
HEAD_S = 0.3


@pytest.fixture(scope="module")
def impatient(upstream, closed_port, tmp_path_factory):
    config = merged(
        sample.config(upstream.base_url, closed_port), {"server": {"read_header_timeout": f"{HEAD_S}s"}}
    )
    with Gateway(config, tmp_path_factory.mktemp("impatient") / "data") as server:
        yield server


async def said(gateway, *pieces: bytes, gap: float = 0.0, seconds: float = 30.0) -> bytes:
    """Send the pieces and return everything that came back until the gateway closed."""
    address = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)

    async def write():
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                if gap:
                    await asyncio.sleep(gap)
        except ConnectionError:
            return

    writing = asyncio.create_task(write())
    got = b""
    try:
        async with asyncio.timeout(seconds):
            while block := await reader.read(65536):
                got += block
    except ConnectionError:
        pass
    finally:
        writing.cancel()
        await asyncio.wait([writing])
        writer.transport.abort()
    return got


async def test_connection_without_a_request_is_closed(impatient):
    assert await said(impatient) == b""


async def test_a_head_that_does_not_end_in_time_is_refused(impatient):
    drops = [b"x-%d: y\r\n" % number for number in range(1000)]
    got = await said(impatient, HEAD.encode(), *drops, gap=HEAD_S / 3)
    assert got.startswith(b"HTTP/1.1 408 ")


async def test_line_ends_between_requests_do_not_keep_a_connection(impatient):
    first = b"GET /healthz HTTP/1.1\r\nhost: gateway\r\n\r\n"
    got = await said(impatient, first, *[b"\r\n"] * 1000, gap=HEAD_S / 3)
    assert got.count(b"HTTP/1.1 ") == 1


async def test_client_that_pauses_between_requests_is_served_again(impatient):
    async with impatient.client(sample.ALICE) as client:
        assert (await client.get("/v1/models")).status_code == 200
        await asyncio.sleep(2 * HEAD_S)  # the client's own pause is what is tested
        assert (await client.get("/v1/models")).status_code == 200


@pytest.mark.parametrize(
    "piece", [b"x-many: y\r\n" * 10_000, b"x-long: " + b"y" * 100_000], ids=["many", "long"]
)
async def test_oversized_head_is_refused(shared_gateway, piece):
    got = await said(shared_gateway, HEAD.encode(), piece, piece)
    assert got.startswith(b"HTTP/1.1 431 ") or not got


@pytest.mark.parametrize(
    "lines",
    [
        "content-length: 5\r\ncontent-length: 6\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding : chunked\r\n",
        "transfer-encoding:\x0bchunked\r\n",
        " folded: yes\r\n",
        "content-length: +5\r\n",
        "x: a\0b\r\n",
    ],
    ids=["two-lengths", "both", "identity-last", "space", "tab", "folded", "plus", "nul"],
)
async def test_ambiguous_request_is_refused(shared_gateway, lines):
    got = await said(shared_gateway, (HEAD + JSON + lines + "\r\n").encode("latin-1") + b"0\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 400 "), got


async def test_endless_body_for_a_page_is_not_written_to_disk(shared_gateway):
    head = "POST /admin/ui/login/ HTTP/1.1\r\nhost: gateway\r\n"
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    got = await said(shared_gateway, (head + "transfer-encoding: chunked\r\n\r\n").encode(), *[chunk] * 200)
    assert got.startswith(b"HTTP/1.1 413 ") or not got
    declared = await said(shared_gateway, (head + f"content-length: {100 * MB}\r\n\r\n").encode())
    assert declared.startswith(b"HTTP/1.1 413 ")


async def test_a_second_request_on_its_way_does_not_hide_that_the_client_left(shared_gateway, upstream):
    upstream.script("up-m11", {"chunks": 3, "hold_after": 1})
    body = b'{"model":"m11","stream":true,"messages":[{"role":"user","content":"hi"}]}'
    first = (HEAD + JSON + f"content-length: {len(body)}\r\n\r\n").encode() + body
    address = urlsplit(shared_gateway.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(first + b"GET /healthz HTTP/1.1\r\nhost: gateway\r\n\r\n")
    await reader.readuntil(b"data: ")
    writer.transport.abort()
    await upstream.wait("closed", model="up-m11")


async def test_calls_are_served_beside_hostile_connections(shared_gateway):
    async with shared_gateway.client(sample.ALICE) as client:
        assert (await client.post("/v1/chat/completions", json=question("chat"))).status_code == 200
