"""No wait is endless, and a cancelled caller closes its connection: timeouts, half-read answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from providers.call import Call
from providers.dialects.base import Shape
from providers.dialects.openai.passthrough import OpenAIToOpenAI
from providers.errors.exceptions import UpstreamFailed, UpstreamTimeout
from providers.other_form import begin_stream
from providers.outgoing import Outgoing, ResponseKind
from providers.target import Secret, Target, Timeouts
from providers.transport.client import Transport, UpstreamRequest
from tests.integration.providers.raw_server import Peer, RawServer
from tests.support.faults.unresponsive_port import deaf_port
from tests.support.waiting import eventually

MANY = 1 << 30
LIMITS = Timeouts(connect=60, first_byte=60, idle=60, total=120)  # longer than any wait of a test
DIALECT = OpenAIToOpenAI(Shape(alias="m", path="chat/completions", stream=True))
TARGET = Target(
    id=1,
    alias="m",
    name="d",
    provider="openai",
    upstream_model="m",
    base_url="http://u/v1",
    secret=Secret(""),
)
PROMPT = 30.0  # seconds; nothing else ends a call within them


def ask(url: str) -> UpstreamRequest:
    return UpstreamRequest("POST", url, {"content-type": "application/json"}, b"{}")


async def never_answers(peer: Peer) -> None:
    await peer.request()
    await peer.until_gone()


async def stalls_after_the_head(peer: Peer) -> None:
    await peer.request()
    await peer.start_stream()
    await peer.until_gone()


async def stalls_in_the_body(peer: Peer) -> None:
    await peer.request()
    await peer.start_stream()
    await peer.chunk(b"data: 1\n\n")
    await peer.until_gone()


async def drips_for_ever(peer: Peer) -> None:
    await peer.request()
    await peer.start_stream()
    while not peer.gone.is_set():
        await peer.chunk(b": still here\n\n")
        await asyncio.sleep(0.01)


async def seen_gone(server: RawServer) -> None:
    await asyncio.wait_for(server.peers[0].gone.wait(), PROMPT)


@pytest.fixture
def full_backlog() -> Iterator[int]:
    with deaf_port() as port:
        yield port


async def test_connecting_ends_in_time_and_never_reached_the_provider(
    transport: Transport, full_backlog: int
) -> None:
    with pytest.raises(UpstreamTimeout) as caught:
        await transport.send(
            ask(f"http://127.0.0.1:{full_backlog}/v1"),
            Timeouts(connect=0.2, first_byte=60, idle=60, total=120),
        )

    assert (caught.value.phase, caught.value.reached, caught.value.code) == (
        "connect",
        False,
        "upstream_timeout",
    )


async def test_the_total_bounds_connecting_too(transport: Transport, full_backlog: int) -> None:
    with pytest.raises(UpstreamTimeout) as caught:
        await transport.send(
            ask(f"http://127.0.0.1:{full_backlog}/v1"),
            Timeouts(connect=60, first_byte=60, idle=60, total=0.2),
        )

    assert (caught.value.phase, caught.value.reached) == ("total", False)


async def test_a_provider_that_never_answers_is_left_at_the_first_byte_timeout(transport: Transport) -> None:
    async with RawServer(never_answers) as server:
        with pytest.raises(UpstreamTimeout) as caught:
            await transport.send(ask(server.url), Timeouts(connect=2, first_byte=0.1, idle=60, total=120))

        assert (caught.value.phase, caught.value.reached, caught.value.answer_status) == (
            "first_byte",
            True,
            504,
        )
        await seen_gone(server)


async def test_a_head_without_content_is_still_waiting_for_the_first_byte(transport: Transport) -> None:
    async with RawServer(stalls_after_the_head) as server:
        response = await transport.send(
            ask(server.url), Timeouts(connect=2, first_byte=0.1, idle=60, total=120)
        )
        with pytest.raises(UpstreamTimeout) as caught:
            await asyncio.wait_for(response.read(MANY), PROMPT)

        assert caught.value.phase == "first_byte"
        await seen_gone(server)


async def test_silence_inside_a_stream_ends_at_the_idle_timeout(transport: Transport) -> None:
    async with RawServer(stalls_in_the_body) as server:
        response = await transport.send(
            ask(server.url), Timeouts(connect=2, first_byte=60, idle=0.1, total=120)
        )
        chunks = response.chunks()
        assert await anext(chunks) == b"data: 1\n\n"
        response.note_content()
        with pytest.raises(UpstreamTimeout) as caught:
            await asyncio.wait_for(anext(chunks), PROMPT)

        assert caught.value.phase == "idle"
        await seen_gone(server)


@pytest.mark.parametrize("said", [b": still here\n\n", b"data:\n\n", b'data: {"choices":[]}\n\n', b"\n"])
async def test_events_before_the_content_do_not_end_the_wait_for_it(
    transport: Transport, said: bytes
) -> None:
    async def only_says_that(peer: Peer) -> None:
        await peer.request()
        await peer.start_stream()
        while not peer.gone.is_set():
            await peer.chunk(said)
            await asyncio.sleep(0.01)

    async with RawServer(only_says_that) as server:
        limits = Timeouts(connect=2, first_byte=0.3, idle=60, total=120)
        response = await transport.send(ask(server.url), limits)
        call = Call(TARGET, response, [])
        outgoing = Outgoing(request_id="r", raw=b"", answer=ResponseKind.EVENTS)
        with pytest.raises(UpstreamTimeout) as caught:
            await asyncio.wait_for(begin_stream(call, DIALECT, outgoing, response.chunks()), PROMPT)
        assert caught.value.phase == "first_byte"
        await seen_gone(server)


async def test_a_stream_that_never_ends_does_so_at_the_total_timeout(transport: Transport) -> None:
    async with RawServer(drips_for_ever) as server:
        response = await transport.send(
            ask(server.url), Timeouts(connect=2, first_byte=60, idle=60, total=0.2)
        )
        with pytest.raises(UpstreamTimeout) as caught:
            await asyncio.wait_for(response.read(MANY), PROMPT)

        assert caught.value.phase == "total"
        await seen_gone(server)


async def test_canceling_while_connecting_ends_at_once(transport: Transport, full_backlog: int) -> None:
    sending = asyncio.create_task(transport.send(ask(f"http://127.0.0.1:{full_backlog}/v1"), LIMITS))
    await asyncio.sleep(0.05)

    sending.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(sending, PROMPT)


async def test_canceling_while_waiting_for_the_head_closes_the_connection(transport: Transport) -> None:
    async with RawServer(never_answers) as server:
        sending = asyncio.create_task(transport.send(ask(server.url), LIMITS))
        await server.asked.wait()

        sending.cancel()

        with pytest.raises(asyncio.CancelledError):
            await sending
        await seen_gone(server)


async def test_canceling_inside_the_body_closes_the_connection(transport: Transport) -> None:
    async with RawServer(stalls_in_the_body) as server:
        response = await transport.send(ask(server.url), LIMITS)
        await anext(response.chunks())
        reading = asyncio.create_task(response.read(MANY))
        await asyncio.sleep(0)

        reading.cancel()

        with pytest.raises(asyncio.CancelledError):
            await reading
        await seen_gone(server)


async def test_leaving_a_stream_half_read_closes_the_connection(transport: Transport) -> None:
    async with RawServer(stalls_in_the_body) as server:
        response = await transport.send(ask(server.url), LIMITS)
        await anext(response.chunks())

        await response.aclose()
        await response.aclose()

        await seen_gone(server)
        with pytest.raises(UpstreamFailed):
            await response.read(MANY)


async def test_leaving_before_reading_closes_the_connection(transport: Transport) -> None:
    async with RawServer(stalls_after_the_head) as server:
        response = await transport.send(ask(server.url), LIMITS)

        await response.aclose()

        await seen_gone(server)


async def test_a_half_read_connection_is_never_used_again(transport: Transport) -> None:
    async def says_more(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"first answer" * 100_000)
        await peer.until_gone()

    async with RawServer(says_more) as server:
        first = await transport.send(ask(server.url), LIMITS)
        await anext(first.chunks())
        await first.aclose()
        second = await transport.send(ask(server.url), LIMITS)

        assert await second.read(MANY) == b"first answer" * 100_000
        assert len(server.peers) == 2


async def test_a_stream_whose_end_comes_right_after_its_last_event_keeps_its_connection(
    transport: Transport,
) -> None:
    done_was_seen = asyncio.Event()
    next_request = asyncio.Event()

    async def ends_late(peer: Peer) -> None:
        await peer.request()
        await peer.start_stream()
        await peer.chunk(b"data: [DONE]\n\n")
        await done_was_seen.wait()
        await peer.send(b"0\r\n\r\n")
        next_request.set()
        await peer.request()
        await peer.answer()

    async with RawServer(ends_late) as server:
        first = await transport.send(ask(server.url), LIMITS)
        await anext(first.chunks())
        first.abandon()
        await first.aclose()
        done_was_seen.set()
        await next_request.wait()
        await eventually(lambda: not transport._draining)  # noqa: SLF001 - the end has come, whichever task reads it
        second = await transport.send(ask(server.url), LIMITS)

        assert await second.read(MANY) == b"{}"
        assert len(server.peers) == 1


async def test_a_stream_that_is_left_but_never_ends_is_closed(transport: Transport) -> None:
    async with RawServer(stalls_in_the_body) as server:
        response = await transport.send(ask(server.url), LIMITS)
        await anext(response.chunks())

        response.abandon()

        await seen_gone(server)


async def test_closing_the_transport_ends_what_still_runs() -> None:
    transport = Transport()
    await transport.open()
    async with RawServer(stalls_in_the_body) as server:
        response = await transport.send(ask(server.url), LIMITS)
        await transport.aclose()
        with pytest.raises(UpstreamFailed):
            await response.read(MANY)
        await seen_gone(server)
