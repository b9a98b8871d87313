"""Each failure has its own class, and states whether the provider may have read the request."""

from __future__ import annotations

import asyncio
import socket

import pytest

from providers.errors.exceptions import ConnectFailed, UpstreamBroken, UpstreamFailed, UpstreamTimeout
from providers.target import Timeouts
from providers.transport.client import Transport, UpstreamRequest
from tests.integration.providers.raw_server import Peer, RawServer, Script

MANY = 1 << 30
LIMITS = Timeouts(connect=2, first_byte=5, idle=5, total=10)


def ask(url: str, headers: dict[str, str] | None = None) -> UpstreamRequest:
    return UpstreamRequest("POST", url, {"content-type": "application/json", **(headers or {})}, b"{}")


async def failure_of(transport: Transport, script: Script) -> tuple[UpstreamFailed, int]:
    async with RawServer(script) as server:
        with pytest.raises(UpstreamFailed) as caught:
            await (await transport.send(ask(server.url), LIMITS)).read(MANY)
        return caught.value, len(server.requests)


async def test_a_refused_connection_never_reached_the_provider(transport: Transport) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]

    with pytest.raises(ConnectFailed) as caught:
        await transport.send(ask(f"http://127.0.0.1:{port}/v1"), LIMITS)

    assert (caught.value.reached, caught.value.retryable, caught.value.answer_status) == (False, True, 502)


async def test_an_unknown_host_never_reached_the_provider(transport: Transport) -> None:
    with pytest.raises(ConnectFailed) as caught:
        await transport.send(ask("http://no-such-host.invalid/v1"), LIMITS)

    assert not caught.value.reached


@pytest.mark.parametrize("url", ["", "no-scheme/v1", "http://", "http://host:99999/v1", "ftp://127.0.0.1/v1"])
async def test_an_address_that_is_none_never_reached_a_provider(transport: Transport, url: str) -> None:
    with pytest.raises(ConnectFailed) as caught:
        await transport.send(ask(url), LIMITS)

    assert not caught.value.reached


async def test_a_credential_with_a_line_break_is_refused_without_showing_it(transport: Transport) -> None:
    async with RawServer(lambda peer: peer.until_gone()) as server:
        with pytest.raises(ConnectFailed) as caught:
            await transport.send(ask(server.url, {"authorization": "Bearer secret\r\nx: y"}), LIMITS)

        assert server.requests == []
    assert "secret" not in str(caught.value)


async def test_a_closed_transport_refuses() -> None:
    with pytest.raises(ConnectFailed, match="not open"):
        await Transport().send(ask("http://127.0.0.1:1/v1"), LIMITS)


async def test_a_reset_before_the_head_may_have_reached_the_provider(transport: Transport) -> None:
    async def reset(peer: Peer) -> None:
        await peer.request()
        peer.reset()

    failure, asked = await failure_of(transport, reset)

    assert isinstance(failure, UpstreamBroken)
    assert (failure.reached, asked) == (True, 1)  # a new connection: no second try


async def test_a_close_before_the_head_is_not_tried_again_on_a_new_connection(transport: Transport) -> None:
    async def hang_up(peer: Peer) -> None:
        await peer.request()

    failure, asked = await failure_of(transport, hang_up)

    assert isinstance(failure, UpstreamBroken)
    assert asked == 1


async def test_a_reset_inside_the_body_is_broken(transport: Transport) -> None:
    async def reset(peer: Peer) -> None:
        await peer.request()
        await peer.start_stream()
        await peer.chunk(b"data: 1\n\n")
        peer.reset()

    failure, _ = await failure_of(transport, reset)

    assert isinstance(failure, UpstreamBroken)


async def test_what_came_before_a_break_is_handed_over_first(transport: Transport) -> None:
    seen: list[bytes] = []
    arrived = asyncio.Event()

    async def cut(peer: Peer) -> None:
        await peer.request()
        await peer.start_stream()
        await peer.chunk(b"data: 1\n\n")
        await arrived.wait()

    async def consume(url: str) -> None:
        async for block in (await transport.send(ask(url), LIMITS)).chunks():
            seen.append(block)
            arrived.set()

    async with RawServer(cut) as server:
        with pytest.raises(UpstreamBroken):
            await consume(server.url)

    assert seen == [b"data: 1\n\n"]


async def test_a_body_shorter_than_promised_is_broken(transport: Transport) -> None:
    async def truncated(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this")

    failure, _ = await failure_of(transport, truncated)

    assert isinstance(failure, UpstreamBroken)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"<html>hello</html>\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nnot a chunk\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
    ids=["another protocol", "bare html", "no status", "bad chunk", "bad gzip", "huge head"],
)
async def test_an_answer_that_is_no_http_is_broken(transport: Transport, answer: bytes) -> None:
    async def babble(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)

    failure, _ = await failure_of(transport, babble)

    assert isinstance(failure, UpstreamBroken)


async def test_a_connection_closed_between_two_calls_costs_the_second_nothing(transport: Transport) -> None:
    async def one_answer(peer: Peer) -> None:
        await peer.request()
        await peer.answer()

    async with RawServer(one_answer) as server:
        for _ in range(20):
            assert await (await transport.send(ask(server.url), LIMITS)).read(MANY) == b"{}"

        assert len(server.peers) == 20


async def test_a_break_after_the_head_of_a_kept_connection_is_not_tried_again(transport: Transport) -> None:
    async def break_the_second(peer: Peer) -> None:
        await peer.request()
        await peer.answer()
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")
        peer.reset()

    async with RawServer(break_the_second) as server:
        await (await transport.send(ask(server.url), LIMITS)).read(MANY)
        with pytest.raises(UpstreamBroken):
            await (await transport.send(ask(server.url), LIMITS)).read(MANY)

        assert len(server.requests) == 2


async def test_a_full_pool_is_waited_for_only_as_long_as_a_connection() -> None:
    transport = Transport(connections_per_host=2)
    await transport.open()

    async def hold(peer: Peer) -> None:
        await peer.request()
        await peer.start_stream()
        await peer.until_gone()

    async with RawServer(hold) as server:
        held = [await transport.send(ask(server.url), LIMITS) for _ in range(2)]
        with pytest.raises(UpstreamTimeout) as caught:
            await transport.send(ask(server.url), Timeouts(connect=0.1, first_byte=5, idle=5, total=10))
        assert (caught.value.phase, caught.value.reached, len(server.requests)) == ("connect", False, 2)

        await held[0].aclose()
        held.append(await transport.send(ask(server.url), LIMITS))  # the freed slot serves

        assert len(server.requests) == 3
        for response in held:
            await response.aclose()
    await transport.aclose()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_a_guarded_request_never_leads_inside_whatever_its_name_leads_to_now(host: str) -> None:
    transport = Transport()
    await transport.open()
    async with RawServer(lambda peer: peer.until_gone()) as server:
        url = f"http://{host}:{server.port}/v1"
        with pytest.raises(ConnectFailed, match="leads inside"):
            await transport.send(UpstreamRequest("POST", url, {}, b"{}", is_guarded=True), LIMITS)

        assert server.peers == []
    await transport.aclose()


async def test_a_guarded_request_may_go_where_the_operator_allows_it() -> None:
    async def answers(peer: Peer) -> None:
        await peer.request()
        await peer.answer()

    transport = Transport(egress_allow=["127.0.0.0/8"])
    await transport.open()
    async with RawServer(answers) as server:
        guarded = UpstreamRequest("POST", server.url, {}, b"{}", is_guarded=True)

        assert await (await transport.send(guarded, LIMITS)).read(MANY) == b"{}"
    await transport.aclose()
