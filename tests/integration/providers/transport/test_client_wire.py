"""HTTP/1.1 of providers and proxies, right and wrong: hints before the answer, trailers, no length."""

from __future__ import annotations

import asyncio

import pytest

from providers.errors.exceptions import UpstreamBroken
from providers.target import Timeouts
from providers.transport.client import Transport, UpstreamRequest
from tests.integration.providers.raw_server import Peer, RawServer, Script

MANY = 1 << 30
LIMITS = Timeouts(connect=60, first_byte=60, idle=60, total=120)  # longer than any wait of a test


def ask(url: str, body: bytes = b"{}") -> UpstreamRequest:
    return UpstreamRequest("POST", url, {"content-type": "application/json"}, body)


def says(*answers: bytes) -> Script:
    """One answer a question, byte for byte; the connection stays open."""

    async def script(peer: Peer) -> None:
        for answer in answers:
            await peer.request()
            await peer.send(answer)
        await peer.until_gone()

    return script


async def call(transport: Transport, url: str) -> bytes:
    response = await transport.send(ask(url), LIMITS)
    try:
        return await response.read(MANY)
    finally:
        await response.aclose()


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


async def test_informational_responses_before_the_answer_are_skipped(transport: Transport) -> None:
    hints = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\nx-hint: 1\r\n\r\n"
    async with RawServer(says(hints + OK, OK)) as server:
        response = await transport.send(ask(server.url), LIMITS)

        assert (response.status, dict(response.headers)) == (200, {"content-length": "2"})
        assert await response.read(MANY) == b"{}"
        assert await call(transport, server.url) == b"{}"
        assert len(server.peers) == 1


async def test_informational_responses_without_an_answer_are_broken(transport: Transport) -> None:
    async with RawServer(
        says(b"HTTP/1.1 103 Early Hints\r\nlink: </aaaaaaaaaaaaa>\r\n\r\n" * 5000)
    ) as server:
        with pytest.raises(UpstreamBroken, match="head is too large"):
            await call(transport, server.url)


async def test_another_protocol_is_broken(transport: Transport) -> None:
    switch = (
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n\x81\x02hi"
    )
    async with RawServer(says(switch)) as server:
        with pytest.raises(UpstreamBroken):
            await call(transport, server.url)


async def test_a_body_without_a_length_ends_with_its_connection(transport: Transport) -> None:
    async def old_fashioned(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n", b'{"a":')
        await peer.send(b"1}")

    async with RawServer(old_fashioned) as server:
        assert await call(transport, server.url) == b'{"a":1}'
        assert await call(transport, server.url) == b'{"a":1}'
        assert len(server.peers) == 2


async def test_trailers_are_read_past_and_repeated_headers_are_joined(transport: Transport) -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\nvia: a\r\nVia: b\r\ntransfer-encoding: chunked\r\n\r\n"
        b"2\r\n{}\r\n0\r\nx-checksum: 1\r\n\r\n"
    )
    async with RawServer(says(answer, OK)) as server:
        response = await transport.send(ask(server.url), LIMITS)

        assert (await response.read(MANY), response.headers["via"]) == (b"{}", "a, b")
        assert "x-checksum" not in response.headers
        assert await call(transport, server.url) == b"{}"
        assert len(server.peers) == 1


async def test_an_unrequested_second_answer_never_serves_the_next_request(transport: Transport) -> None:
    async def smuggles(peer: Peer) -> None:
        await peer.request()
        if len(peer.server.peers) == 1:
            await peer.send(OK, b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nsomebody")
        else:
            await peer.send(OK)
        await peer.until_gone()

    async with RawServer(smuggles) as server:
        assert await call(transport, server.url) == b"{}"
        assert await call(transport, server.url) == b"{}"
        assert len(server.peers) == 2


async def test_unrequested_bytes_on_an_idle_connection_close_it(transport: Transport) -> None:
    first_was_read = asyncio.Event()

    async def babbles(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        if len(peer.server.peers) == 1:
            await first_was_read.wait()
            await peer.send(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
        await peer.until_gone()

    async with RawServer(babbles) as server:
        assert await call(transport, server.url) == b"{}"
        first_was_read.set()
        await asyncio.wait_for(server.peers[0].gone.wait(), 30)

        assert await call(transport, server.url) == b"{}"
        assert len(server.peers) == 2


async def test_connection_that_the_provider_will_close_is_not_reused(transport: Transport) -> None:
    async with RawServer(says(OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))) as server:
        for _ in range(3):
            assert await call(transport, server.url) == b"{}"

        assert len(server.peers) == 3


async def test_an_idle_connection_is_closed_in_time() -> None:
    transport = Transport(keep_alive_s=0.1)
    await transport.open()
    async with RawServer(says(OK)) as server:
        assert await call(transport, server.url) == b"{}"

        await asyncio.wait_for(server.peers[0].gone.wait(), 30)
    await transport.aclose()


@pytest.mark.parametrize(
    "beginning",
    [b"2\r\n{}\r\n0\r\nx-checksum: ", b"2\r\n{}\r\n0\r\n", b"2;x=", b"2\r\n{}\r\n2;x="],
    ids=["trailer", "trailers", "extension of the first chunk", "extension of another chunk"],
)
async def test_what_surrounds_a_body_has_an_end(transport: Transport, beginning: bytes) -> None:
    filling = b"x-a: b\r\n" * 128 if beginning.endswith(b"0\r\n") else b"a" * 1024

    async def babbles(peer: Peer) -> None:
        await peer.request()
        await peer.start_stream(b"application/json")
        await peer.send(beginning)
        while not peer.gone.is_set():
            await peer.send(filling)

    async with RawServer(babbles) as server:
        with pytest.raises(UpstreamBroken, match="too large"):
            await call(transport, server.url)


async def test_a_head_in_pieces_may_be_as_large_as_one_in_one(transport: Transport) -> None:
    fields = b"x-long: %b\r\n" % (b"y" * 1000) * 60

    async def drips(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n")
        for start in range(0, len(fields), 1000):
            await peer.send(fields[start : start + 1000])
            await asyncio.sleep(0)  # a piece a write
        await peer.send(b"content-length: 2\r\n\r\n{}")

    async with RawServer(drips) as server:
        assert await call(transport, server.url) == b"{}"


async def test_a_refusal_of_a_large_body_is_read_before_all_of_it_was_sent(transport: Transport) -> None:
    async def refuses(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\n{}")
        await hold.wait()

    hold = asyncio.Event()
    async with RawServer(refuses) as server:
        response = await asyncio.wait_for(transport.send(ask(server.url, bytes(64 << 20)), LIMITS), 30)

        assert (response.status, await response.read(MANY)) == (413, b"{}")
        second = await transport.send(ask(server.url), LIMITS)
        assert (second.status, len(server.peers)) == (413, 2)  # half a body is no place for another question
        hold.set()


@pytest.mark.parametrize("step", [1, 2, 3, 7])
async def test_an_answer_in_pieces_is_the_same_answer(transport: Transport, step: int) -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"8\r\ndata: 1\n\r\n1\r\n\n\r\n0\r\n\r\n"
    )

    async def drips(peer: Peer) -> None:
        await peer.request()
        for start in range(0, len(answer), step):
            await peer.send(answer[start : start + step])
            await asyncio.sleep(0)  # a piece a write
        await peer.until_gone()

    async with RawServer(drips) as server:
        assert await call(transport, server.url) == b"data: 1\n\n"
