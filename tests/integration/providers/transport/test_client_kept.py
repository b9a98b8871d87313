"""A request that a kept connection lost is sent again only if the provider cannot have read it: then the provider
sees it once. Whatever may have been read is a failure that the caller gets.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from providers.errors.exceptions import UpstreamBroken
from providers.target import Timeouts
from providers.transport.client import Transport, UpstreamRequest
from providers.transport.tcp_acknowledgement import TcpState, read_info
from tests.integration.providers.raw_server import Peer, RawServer, Script

MANY = 1 << 30
LIMITS = Timeouts(connect=2, first_byte=5, idle=5, total=10)
LINGER = struct.pack("ii", 1, 0)
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"

End = Callable[[socket.socket], None]


def ask(url: str, body: bytes = b"{}") -> UpstreamRequest:
    return UpstreamRequest("POST", url, {"content-type": "application/json"}, body)


async def reads_and_resets(peer: Peer) -> None:
    await peer.request()
    peer.reset()


async def reads_and_hangs_up(peer: Peer) -> None:
    await peer.request()


async def reads_its_head_and_resets(peer: Peer) -> None:
    await peer.head()
    peer.reset()


async def works_a_while_and_resets(peer: Peer) -> None:
    await peer.request()
    await asyncio.sleep(0.1)  # long enough for every acknowledgement
    peer.reset()


READ = [reads_and_resets, reads_and_hangs_up, reads_its_head_and_resets, works_a_while_and_resets]


@pytest.mark.parametrize("end", READ)
async def test_request_that_was_read_is_not_sent_again(transport: Transport, end: Script) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.answer()
        await end(peer)

    async with RawServer(script) as server:
        await (await transport.send(ask(server.url), LIMITS)).read(MANY)
        request = ask(server.url)
        with pytest.raises(UpstreamBroken) as caught:
            await transport.send(request, LIMITS)

        assert len(server.peers) == 1
    assert (caught.value.reached, caught.value.is_stale, request.was_sent) == (True, True, True)


async def test_large_request_that_was_read_in_part_is_not_sent_again(transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.answer()
        await peer.head()
        peer.reset()

    async with RawServer(script) as server:
        await (await transport.send(ask(server.url), LIMITS)).read(MANY)
        with pytest.raises(UpstreamBroken):
            await transport.send(ask(server.url, b"x" * 3_000_000), LIMITS)

        assert len(server.peers) == 1


class Late:
    """A provider in a thread of its own, which ends its idle connection at the very moment of the next question."""

    def __init__(self, end: End) -> None:
        self._end = end
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.connections = 0
        self._open: list[socket.socket] = []
        self.may_end, self.has_ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1/chat/completions"

    def close(self) -> None:
        self.may_end.set()
        for each in (*self._open, self._listener):
            with suppress(OSError):  # ended by now
                each.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                with connection:
                    connection.recv(65536)
                    connection.sendall(ANSWER)
                    if self.connections == 1:
                        self.may_end.wait()
                        self._end(connection)
                        self.has_ended.set()
                    else:
                        connection.recv(65536)


@contextmanager
def late(end: End) -> Iterator[Late]:
    provider = Late(end)
    try:
        yield provider
    finally:
        provider.close()


@contextmanager
def ending(provider: Late, monkeypatch: pytest.MonkeyPatch, *, has_ended: bool) -> Iterator[None]:
    """End the kept connection right before the next question, or in between the last look at it and the question.

    The loop is blocked meanwhile, so that it notices nothing.
    """

    def look_and_end(footing: TcpState) -> bool:
        ready = has_ended or is_ready(footing)
        provider.may_end.set()
        assert provider.has_ended.wait(5)
        return is_ready(footing) if has_ended else ready

    is_ready = TcpState.is_ready
    with monkeypatch.context() as patch:
        patch.setattr(TcpState, "is_ready", look_and_end)
        yield


async def answer_of(transport: Transport, provider: Late) -> bytes:
    return await (await transport.send(ask(provider.url), LIMITS)).read(MANY)


def closes(connection: socket.socket) -> None:
    connection.close()


def resets(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
    connection.close()


def says_the_end(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)
    connection.close()


@pytest.mark.parametrize("end", [closes, resets, says_the_end])
async def test_a_connection_that_has_ended_by_then_is_not_used(
    transport: Transport, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    with late(end) as provider:
        await answer_of(transport, provider)
        with ending(provider, monkeypatch, has_ended=True):
            assert await answer_of(transport, provider) == b"{}"
        assert provider.connections == 2


@pytest.mark.parametrize("end", [closes, says_the_end])
async def test_request_that_crossed_the_close_is_sent_again(
    transport: Transport, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    with late(end) as provider:
        await answer_of(transport, provider)
        with ending(provider, monkeypatch, has_ended=False):
            assert await answer_of(transport, provider) == b"{}"
        assert provider.connections == 2


@pytest.mark.parametrize("end", [closes, resets])
async def test_nothing_is_sent_again_without_the_kernels_acknowledgement_count(
    transport: Transport, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    if end is closes:
        monkeypatch.setattr("providers.transport.tcp_acknowledgement._TCP_INFO", 0)
    with late(end) as provider:
        await answer_of(transport, provider)
        with ending(provider, monkeypatch, has_ended=False), pytest.raises(UpstreamBroken):
            await answer_of(transport, provider)
        assert provider.connections == 1


async def test_no_descriptor_is_left_behind(transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.answer()
        await peer.request()

    async with RawServer(script) as server:
        for _ in range(3):
            await (await transport.send(ask(server.url), LIMITS)).read(MANY)
            with pytest.raises(UpstreamBroken):
                await transport.send(ask(server.url), LIMITS)
    with socket.socket() as probe:
        before = probe.fileno()
    async with RawServer(script) as server:
        for _ in range(20):
            await (await transport.send(ask(server.url), LIMITS)).read(MANY)
            with pytest.raises(UpstreamBroken):
                await transport.send(ask(server.url), LIMITS)
    with socket.socket() as probe:
        assert probe.fileno() <= before + 3


def test_the_kernel_counts_what_was_acknowledged() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()) as here, listener.accept()[0] as there:
            seen = []
            for size in (10, 1000):
                here.sendall(b"x" * size)
                there.recv(size)
                there.sendall(b"y")
                here.recv(1)
                found = read_info(here)
                assert found is not None
                assert found.state == 1  # TCP_ESTABLISHED
                seen.append(found.acked)
            assert seen[1] - seen[0] == 1000
        assert read_info(here) is None
