"""A probe with TLS to a port without it, or the other way round, reports which of both is likely."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from contextlib import closing
from socket import SO_LINGER, SOL_SOCKET, create_server, socket

import trustme

from catalog.health.diagnosis import meaning_of
from providers.probe import probe
from providers.target import Secret, Target
from providers.transport.client import Transport

RESET = b"\1\0\0\0\0\0\0\0"
NGINX = b"<title>400 The plain HTTP request was sent to HTTPS port</title>"
GO = b"Client sent an HTTP request to an HTTPS server."
APACHE = b"Reason: You're speaking plain HTTP to an SSL-enabled server port."


def says(answer: bytes) -> Callable[[socket], None]:
    def say(peer: socket) -> None:
        peer.recv(65536)
        peer.sendall(answer)

    return say


def refuses(body: bytes) -> Callable[[socket], None]:
    return says(b"HTTP/1.0 400 Bad Request\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))


def resets(peer: socket) -> None:
    peer.recv(1)
    peer.setsockopt(SOL_SOCKET, SO_LINGER, RESET)


def speaks_tls(peer: socket) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    try:
        context.wrap_socket(peer, server_side=True)
    except ssl.SSLError:
        peer.close()


PORTS: tuple[tuple[str, Callable[[socket], None]], ...] = (
    ("https", says(b"")),
    ("https", says(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
    ("https", says(b"\x17\x03\x03\x00\x02aa")),
    ("https", resets),
    ("http", speaks_tls),
    ("http", says(b"\x15\x03\x01\x00\x02\x02\x16")),
    ("http", resets),
    ("http", says(b"")),
    ("http", refuses(NGINX)),
    ("http", refuses(GO)),
    ("http", refuses(APACHE)),
)


async def failure_of(transport: Transport, scheme: str, answer: Callable[[socket], None]) -> tuple[str, str]:
    """Return the error of a probe of a port that answers so, and what it means."""

    def serve() -> None:
        peer, _ = listener.accept()
        with closing(peer):
            answer(peer)

    with closing(create_server(("127.0.0.1", 0))) as listener:
        serving = threading.Thread(target=serve)
        serving.start()
        url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/v1"
        target = Target(
            id=1,
            alias="a",
            name="a-1",
            provider="openai-compatible",
            upstream_model="m",
            base_url=url,
            secret=Secret("k"),
        )
        found = await probe(transport, target, 10, can_chat=True)
        serving.join()
    return found.error, meaning_of(found.error, url)


async def test_error_says_that_the_port_may_use_the_other_scheme() -> None:
    transport = Transport()
    await transport.open()
    for number, (scheme, answer) in enumerate(PORTS):
        error, meaning = await failure_of(transport, scheme, answer)
        wanted = "https for http?" if scheme == "https" else "http for https?"
        assert meaning.endswith(f": {wanted}"), (number, error)
        assert not error.endswith((": ", ":", "None")), (number, error)
    error, meaning = await failure_of(transport, "http", refuses(b"see or go to https://docs.example.com"))
    await transport.aclose()
    assert (error, meaning) == ("status 400", "")
