"""Requests that two servers could read differently, and broken handshakes: a short answer, a short line."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.support import sample
from tests.support.clients.raw_calls import question

KEY = f"authorization: Bearer {sample.ALICE}\r\n".encode()
HELLO = (
    b"host: gateway\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def said(gateway, request):
    """Send this and return all that came back until the gateway closed."""
    address = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(request)
    got = b""
    try:
        async with asyncio.timeout(10):
            while block := await reader.read(65536):
                got += block
    except ConnectionError:
        pass
    finally:
        writer.transport.abort()
    return got


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /v1/models\r\nhost: a\r\n" + KEY, b"400"),
        (b"GET /v1/models\nhost: a\r\n" + KEY, b"400"),
        (b"GET /v1/models HTTP/0.9\r\nhost: a\r\n" + KEY, b"400"),
        (b"GET /v1/models HTTP/2.0\r\nhost: a\r\n" + KEY, b"400"),
        (b"GET /v1/models HTTP/1.1\r\n" + KEY, b"400"),
        (b"GET /v1/models HTTP/1.1\r\nhost: a\r\nHOST: a\r\n" + KEY, b"400"),
        (b"GET /v1/models HTTP/1.1\r\nhost: a\r\nhost: b\r\n" + KEY, b"400"),
        (b"GET /v1/models HTTP/1.1\r\nhost: a, b\r\n" + KEY, b"400"),
        (b"GET /v1/models HTTP/1.1\r\nhost:\r\n" + KEY, b"400"),
        (b"GET /v1/models HTTP/1.1\nhost: a\r\n" + KEY, b"400"),
        (b"GET /v1/models HTTP/1.1\r\nhost: a\n" + KEY, b"400"),
        (b"GET /healthz HTTP/1.1\r\n", b"400"),
        (b"GET /admin/ui/login/ HTTP/1.1\r\nhost: a\r\nhost: b\r\n", b"400"),
        (b"TRACE / HTTP/1.1\r\nhost: a\r\n", b"400"),
        (b"TRACE /v1/models HTTP/1.1\r\nhost: a\r\n" + KEY, b"400"),
        (b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n", b"400"),
    ],
)
async def test_an_ambiguous_head_is_refused_and_its_connection_closed(shared_gateway, head, status):
    got = await said(shared_gateway, head + b"\r\n")
    assert got.startswith(b"HTTP/1.1 " + status + b" "), got
    assert got.count(b"HTTP/1.1 ") == 1


async def test_a_probe_of_an_old_balancer_needs_no_host(shared_gateway):
    assert (await said(shared_gateway, b"GET /healthz HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


async def test_what_follows_a_refused_head_is_not_served(shared_gateway):
    got = await said(shared_gateway, b"GET /healthz\r\n\r\nGET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 400 ")
    assert b" 200 " not in got


async def test_a_refused_head_after_a_sound_one_spoils_no_answer(shared_gateway):
    sound = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n"
    got = await said(shared_gateway, sound + b"TRACE / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert got.count(b"HTTP/1.1 ") <= 2
    assert not got or got.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 400 "))


async def test_websocket_handshake_at_an_unknown_path_ends_without_a_traceback(gateway_factory):
    gateway = gateway_factory()
    for path in (b"/x", b"/ws/status/", b"/v1/realtime", b"/" + b"x" * 5_000, b"/" + b"x" * 60_000):
        got = await said(gateway, b"GET " + path + b" HTTP/1.1\r\n" + HELLO)
        assert got.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 431 ")), (path[:20], got)
        async with gateway.client(sample.ALICE) as client:
            assert (await client.post("/v1/chat/completions", json=question("chat"))).status_code == 200
    gateway.stop()
    lines = gateway.logs()
    assert not [line for line in lines if "Traceback" in line or len(line) > 2000]
    assert not [line for line in lines if "handshake" in line]  # a stranger's mistake is no error of ours


@pytest.mark.parametrize(
    "lines", [b"x-long: " + b"y" * 20_000 + b"\r\n", b"x-many: y\r\n" * 500], ids=["long", "many"]
)
async def test_websocket_handshake_with_an_oversized_head_is_refused(shared_gateway, lines):
    got = await said(shared_gateway, b"GET /ws/status HTTP/1.1\r\n" + lines + HELLO)
    assert got.startswith(b"HTTP/1.1 431 "), got
    assert not [line for line in shared_gateway.logs() if "Traceback" in line]


async def test_an_unauthenticated_handshake_at_the_known_path_is_refused(shared_gateway):
    got = await said(shared_gateway, b"GET /ws/status HTTP/1.1\r\n" + HELLO)
    assert got.startswith(b"HTTP/1.1 403 "), got


@pytest.mark.parametrize("log_format", ["json", "text"])
async def test_long_path_is_cut_in_the_log_and_adds_no_line(gateway_factory, log_format):
    gateway = gateway_factory({"observability": {"log_format": log_format}})
    long = "x" * 60_000
    async with gateway.client(sample.ALICE) as client:
        for path in (f"/v1/{long}", f"/{long}", f"/admin/ui/{long}", f"/static/{long}", f"/v1/models/{long}"):
            assert (await client.get(path)).status_code in {302, 400, 404}
        assert (await client.post(f"/admin/ui/login/{long}")).status_code in {403, 404}
        assert (await client.get("/v1/%0AFORGED%20line")).status_code == 404
    gateway.stop()
    lines = [line for line in gateway.logs() if "xxxx" in line]
    assert len(lines) >= 3
    assert max(len(line) for line in lines) < 1000
    assert not [line for line in gateway.logs() if line.startswith("FORGED")]
