"""Answers of a healthy provider: whole, in order, as they arrive, over kept connections."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import pytest

from providers.errors.exceptions import UpstreamBroken
from providers.target import Timeouts
from providers.transport.client import Transport, UpstreamRequest
from tests.integration.providers.raw_server import Peer, RawServer

MANY = 1 << 30
LIMITS = Timeouts(connect=60, first_byte=60, idle=60, total=120)  # longer than any wait of a test


def ask(url: str, body: bytes = b'{"model":"m"}', method: str = "POST") -> UpstreamRequest:
    return UpstreamRequest(
        method, url, {"content-type": "application/json", "authorization": "Bearer s"}, body
    )


async def answers_for_ever(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.answer(b'{"ok":true}', b"X-Upstream-Id: abc\r\n")


async def call(transport: Transport, url: str, body: bytes = b"{}") -> bytes:
    response = await transport.send(ask(url, body), LIMITS)
    try:
        return await response.read(MANY)
    finally:
        await response.aclose()


async def test_client_sends_what_it_was_given_and_asks_for_no_encoding(transport: Transport) -> None:
    async with RawServer(answers_for_ever) as server:
        response = await transport.send(ask(server.url), LIMITS)

        assert await response.read(MANY) == b'{"ok":true}'

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert b"accept-encoding: identity" in head.lower()
    assert b"authorization: bearer s" in head.lower()
    assert body == b'{"model":"m"}'


async def test_headers_are_found_by_their_lower_case_names(transport: Transport) -> None:
    async with RawServer(answers_for_ever) as server:
        response = await transport.send(ask(server.url), LIMITS)
        await response.read(MANY)

    assert response.headers["x-upstream-id"] == "abc"
    assert response.headers.get("retry-after") is None


async def test_fifty_calls_in_a_row_share_one_connection(transport: Transport) -> None:
    async with RawServer(answers_for_ever) as server:
        for _ in range(50):
            await call(transport, server.url)

        assert (len(server.peers), len(server.requests)) == (1, 50)


async def test_sixty_four_calls_at_once_all_get_their_own_answer(transport: Transport) -> None:
    async def echo(peer: Peer) -> None:
        while True:
            request = await peer.request()
            await peer.answer(request.partition(b"\r\n\r\n")[2])

    async with RawServer(echo) as server:
        bodies = [f"question {number}".encode() for number in range(64)]

        assert await asyncio.gather(*(call(transport, server.url, body) for body in bodies)) == bodies


async def test_a_stream_arrives_chunk_by_chunk(transport: Transport) -> None:
    asked_for_next = asyncio.Event()

    async def drip(peer: Peer) -> None:
        await peer.request()
        await peer.start_stream()
        for number in range(20):  # each chunk leaves only when the one before it has arrived
            await asked_for_next.wait()
            asked_for_next.clear()
            await peer.chunk(b"data: %d\n\n" % number)
        await peer.send(b"0\r\n\r\n")

    async with RawServer(drip) as server:
        response = await transport.send(ask(server.url), LIMITS)
        asked_for_next.set()
        seen = []
        async for block in response.chunks():
            seen.append(block)
            asked_for_next.set()

    assert seen == [b"data: %d\n\n" % number for number in range(20)]


async def test_twenty_mebibytes_pass_in_both_directions(transport: Transport) -> None:
    big = bytes(range(256)) * (20 * 4096)

    async def echo(peer: Peer) -> None:
        request = await peer.request()
        await peer.answer(request.partition(b"\r\n\r\n")[2])

    async with RawServer(echo) as server:
        assert await call(transport, server.url, big) == big


async def test_an_answer_beyond_the_cap_is_refused_and_its_connection_closed(transport: Transport) -> None:
    async def endless(peer: Peer) -> None:
        await peer.request()
        await peer.start_stream(b"application/json")
        while True:
            await peer.chunk(b"x" * 65536)

    async with RawServer(endless) as server:
        response = await transport.send(ask(server.url), LIMITS)
        with pytest.raises(UpstreamBroken, match="larger than 1000000 bytes"):
            await response.read(1_000_000)

        await asyncio.wait_for(server.peers[0].gone.wait(), 30)


async def test_an_error_beyond_the_cap_is_cut(transport: Transport) -> None:
    async def long_error(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 500000\r\n\r\n", b"e" * 500_000)

    async with RawServer(long_error) as server:
        response = await transport.send(ask(server.url), LIMITS)

        assert (response.status, await response.read(1000, truncate=True)) == (400, b"e" * 1000)


async def test_a_redirect_is_an_answer_and_not_followed(transport: Transport) -> None:
    async def moved(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 307 Moved\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n")

    async with RawServer(moved) as server:
        response = await transport.send(ask(server.url), LIMITS)

        assert (response.status, await response.read(MANY), len(server.requests)) == (307, b"", 1)


async def test_a_cookie_of_a_provider_is_not_sent_back(transport: Transport) -> None:
    async def baker(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.answer(b"{}", b"set-cookie: tenant=alice\r\n")

    async with RawServer(baker) as server:
        await call(transport, server.url)
        await call(transport, server.url)

    assert b"cookie" not in server.requests[1].lower()


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    async with RawServer(answers_for_ever) as proxy, RawServer(answers_for_ever) as server:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        transport = Transport()
        await transport.open()
        await call(transport, server.url)
        await transport.aclose()

        assert (len(proxy.peers), len(server.requests)) == (0, 1)


async def test_five_thousand_calls_leave_no_memory_behind(transport: Transport) -> None:
    def resident_kib() -> int:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])

    async def some(server: RawServer, count: int) -> None:
        for _ in range(count // 20):
            await asyncio.gather(*(call(transport, server.url) for _ in range(20)))
            server.requests.clear()

    async with RawServer(answers_for_ever) as server:
        await some(server, 500)
        gc.collect()
        before = resident_kib()
        await some(server, 5000)
        gc.collect()

        assert resident_kib() - before < 4096
