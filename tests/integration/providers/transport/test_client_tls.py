"""TLS: a request is sent only to a certificate that is trusted, current and made for the host."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from providers.errors.exceptions import ConnectFailed
from providers.target import Timeouts
from providers.transport.client import Transport, UpstreamRequest
from tests.integration.providers.raw_server import Peer, RawServer

LIMITS = Timeouts(connect=60, first_byte=60, idle=60, total=120)  # longer than any wait of a test
PAST = datetime(2020, 1, 1, tzinfo=UTC)


def ask(url: str) -> UpstreamRequest:
    return UpstreamRequest("POST", url, {"authorization": "Bearer secret"}, b'{"prompt":"private"}')


def served_with(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


async def answers_for_ever(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.answer()


async def refused(transport: Transport, certificate: trustme.LeafCert) -> ConnectFailed:
    await transport.open()
    async with RawServer(answers_for_ever, served_with(certificate)) as server:
        with pytest.raises(ConnectFailed) as caught:
            await transport.send(ask(server.url), LIMITS)
        await transport.aclose()

        assert server.requests == []
    return caught.value


async def test_an_untrusted_certificate_gets_nothing(authority: trustme.CA) -> None:
    failure = await refused(Transport(), authority.issue_cert("127.0.0.1"))

    assert (failure.reached, "CERTIFICATE_VERIFY_FAILED" in str(failure)) == (False, True)


async def test_a_certificate_of_another_host_gets_nothing(authority: trustme.CA, ca_file: str) -> None:
    failure = await refused(Transport(ca_file=ca_file), authority.issue_cert("api.example.com"))

    assert not failure.reached


async def test_an_expired_certificate_gets_nothing(authority: trustme.CA, ca_file: str) -> None:
    failure = await refused(Transport(ca_file=ca_file), authority.issue_cert("127.0.0.1", not_after=PAST))

    assert "expired" in str(failure)


async def test_plain_http_behind_an_https_address_gets_nothing(transport: Transport) -> None:
    async def shouts(peer: Peer) -> None:
        await peer.answer()
        await peer.until_gone()

    async with RawServer(shouts) as server:
        with pytest.raises(ConnectFailed) as caught:
            await transport.send(ask(server.url.replace("http:", "https:")), LIMITS)

    assert not caught.value.reached


async def test_a_private_authority_is_trusted_when_named(authority: trustme.CA, ca_file: str) -> None:
    transport = Transport(ca_file=ca_file)
    await transport.open()
    async with RawServer(answers_for_ever, served_with(authority.issue_cert("127.0.0.1"))) as server:
        for _ in range(20):
            assert await (await transport.send(ask(server.url), LIMITS)).read(1000) == b"{}"

        assert (len(server.peers), len(server.requests)) == (1, 20)
        await transport.aclose()


async def test_a_connection_that_stands_only_after_the_transport_was_closed_is_never_used(
    authority: trustme.CA, ca_file: str
) -> None:
    heard: list[bytes] = []
    arrived = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            heard.append(await reader.read(1))
        writer.close()

    transport = Transport(ca_file=ca_file)
    await transport.open()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        loop = asyncio.get_running_loop()
        loop.add_reader(listener, arrived.set)
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/v1"
        sending = asyncio.create_task(transport.send(ask(url), LIMITS))
        await arrived.wait()  # the handshake has not been answered yet
        loop.remove_reader(listener)

        await transport.aclose()
        trust = served_with(authority.issue_cert("127.0.0.1"))
        async with await asyncio.start_server(listen, sock=listener, ssl=trust):
            with pytest.raises(ConnectFailed, match="closed"):
                await sending

    assert not any(heard)


@pytest.mark.parametrize("has_head", [False, True])
async def test_canceling_over_tls_closes_the_connection_at_once(
    authority: trustme.CA, ca_file: str, *, has_head: bool
) -> None:
    async def stalls(peer: Peer) -> None:
        await peer.request()
        if has_head:
            await peer.start_stream()
            await peer.chunk(b"data: 1\n\n")
        await peer.until_gone()

    async def stream(url: str) -> None:
        response = await transport.send(ask(url), LIMITS)
        async for _ in response.chunks():
            got_one.set()

    got_one = asyncio.Event()
    transport = Transport(ca_file=ca_file)
    await transport.open()
    async with RawServer(stalls, served_with(authority.issue_cert("127.0.0.1"))) as server:
        calling = asyncio.create_task(stream(server.url))
        await (got_one if has_head else server.asked).wait()

        calling.cancel()

        with pytest.raises(asyncio.CancelledError):
            await calling
        await asyncio.wait_for(server.peers[0].gone.wait(), 30)
        await transport.aclose()
