"""Slow, late or cancelled readers: their pause is not the provider's, and unread bytes are held back."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from providers.errors.exceptions import UpstreamTimeout
from providers.target import Timeouts
from providers.transport.client import Transport, UpstreamRequest
from providers.transport.connection import HIGH_WATER
from tests.integration.providers.raw_server import Peer, RawServer

MANY = 1 << 30
LIMITS = Timeouts(connect=60, first_byte=60, idle=60, total=120)  # longer than any wait of a test
PROMPT = 30.0  # seconds; no other timeout is as short


def ask(url: str) -> UpstreamRequest:
    return UpstreamRequest("POST", url, {"content-type": "application/json"}, b"{}")


async def stalls_after_the_head(peer: Peer) -> None:
    await peer.request()
    await peer.start_stream()
    await peer.until_gone()


async def test_a_slow_reader_is_not_mistaken_for_a_silent_provider(transport: Transport) -> None:
    async def two_chunks(peer: Peer) -> None:
        await peer.request()
        await peer.start_stream()
        await peer.chunk(b"data: 1\n\n")
        await slept.wait()
        await peer.chunk(b"data: 2\n\n")
        await peer.send(b"0\r\n\r\n")

    slept = asyncio.Event()
    async with RawServer(two_chunks) as server:
        response = await transport.send(
            ask(server.url), Timeouts(connect=2, first_byte=60, idle=0.1, total=120)
        )
        chunks = response.chunks()
        await anext(chunks)
        response.note_content()
        await asyncio.sleep(0.3)  # the reader's own pause is what is tested
        slept.set()

        assert b"".join([block async for block in chunks]) == b"data: 2\n\n"


@pytest.mark.parametrize("pause_at", [0, 1])
async def test_a_slow_reader_of_an_answer_that_came_at_once_is_no_silence_either(
    transport: Transport, pause_at: int
) -> None:
    async def head_and_chunk_in_one(peer: Peer) -> None:
        await peer.request()
        await peer.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            b"9\r\ndata: 1\n\n\r\n"
        )
        await slept.wait()
        await peer.chunk(b"data: 2\n\n")
        await peer.send(b"0\r\n\r\n")

    slept = asyncio.Event()
    limits = Timeouts(connect=2, first_byte=0.1, idle=0.1, total=120)
    async with RawServer(head_and_chunk_in_one) as server:
        response = await transport.send(ask(server.url), limits)
        seen = b"" if pause_at == 0 else await anext(response)
        response.note_content()
        await asyncio.sleep(0.3)  # the reader's own pause is what is tested
        slept.set()

        assert seen + await response.read(MANY) == b"data: 1\n\ndata: 2\n\n"


async def test_a_late_reader_waits_no_longer_than_the_first_byte_timeout(
    transport: Transport,
) -> None:
    async with RawServer(stalls_after_the_head) as server:
        response = await transport.send(
            ask(server.url), Timeouts(connect=2, first_byte=0.1, idle=60, total=120)
        )
        await asyncio.sleep(0.3)  # the reader's own pause is what is tested
        with pytest.raises(UpstreamTimeout) as caught:
            await asyncio.wait_for(response.read(MANY), PROMPT)

        assert caught.value.phase == "first_byte"


async def test_a_connection_whose_answer_was_too_much_to_be_held_is_not_used_again(
    transport: Transport,
) -> None:
    async def says_much_at_once(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.answer(gzip.compress(much), b"content-encoding: gzip\r\n")  # one packet

    much = bytes(HIGH_WATER + 1)
    async with RawServer(says_much_at_once) as server:
        await (await transport.send(ask(server.url), LIMITS)).aclose()
        second = await transport.send(ask(server.url), LIMITS)

        assert await second.read(MANY) == much
        assert len(server.peers) == 2


async def test_a_paused_reader_applies_backpressure_to_the_provider(transport: Transport) -> None:
    sent = 0

    async def floods(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.start_stream()
        for _ in range(1000):
            await peer.chunk(bytes(65536))
            sent += 65536
        await peer.send(b"0\r\n\r\n")

    async with RawServer(floods) as server:
        response = await transport.send(ask(server.url), LIMITS)
        await anext(response.chunks())
        before = -1
        while before != sent:  # until the sockets' own buffers are full
            before = sent
            await asyncio.sleep(0.1)

        assert sent < 32 << 20
        assert sum([len(block) async for block in response.chunks()]) > 32 << 20
