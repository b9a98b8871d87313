"""Compressed answers that were not requested: decoded up to a bound, or refused, never cut or doubled."""

from __future__ import annotations

import gzip
import random
import zlib

import pytest

from providers.errors.exceptions import UpstreamBroken
from providers.target import Timeouts
from providers.transport.client import Transport, UpstreamRequest
from providers.transport.connection import MAX_UNZIPPED
from tests.integration.providers.raw_server import Peer, RawServer, Script

MANY = 1 << 30
LIMITS = Timeouts(connect=2, first_byte=5, idle=5, total=10)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


def ask(url: str) -> UpstreamRequest:
    return UpstreamRequest("POST", url, {"content-type": "application/json"}, b"{}")


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


async def test_a_provider_that_compresses_unasked_is_understood(transport: Transport) -> None:
    async def zipped(peer: Peer) -> None:
        await peer.request()
        await peer.answer(gzip.compress(b'{"ok":true}'), b"content-encoding: gzip\r\n")

    async with RawServer(zipped) as server:
        assert await call(transport, server.url) == b'{"ok":true}'


BARE = zlib.compressobj(wbits=-zlib.MAX_WBITS)
BARE_BODY = BARE.compress(b'{"ok":true}') + BARE.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        *(
            (each, b'{"ok":true}')
            for each in (b"", b"utf-8", b"UTF-8", b"none", b"identity, identity", b"aws-chunked")
        ),
        (b"gzip, identity", gzip.compress(b'{"ok":true}')),
        (b"utf-8 ,  GZIP", gzip.compress(b'{"ok":true}')),
        (b"gzip  ", gzip.compress(b'{"ok":true}')),
        (b"deflate", zlib.compress(b'{"ok":true}')),
        (b"deflate", zlib.compress(b'{"ok":true}', 0)),
        (b"deflate", gzip.compress(b'{"ok":true}')),
        (b"deflate", BARE_BODY),
    ],
)
@pytest.mark.parametrize("is_in_bytes", [False, True])
async def test_what_clients_read_directly_is_read(
    transport: Transport, encoding: bytes, body: bytes, *, is_in_bytes: bool
) -> None:
    """B19: a Content-Encoding that names no coding is a mistake, and says nothing."""
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: %b\r\ntransfer-encoding: chunked\r\n\r\n" % encoding
    pieces = [body[at : at + 1] for at in range(len(body))] if is_in_bytes else [body]
    chunks = b"".join([b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces])
    async with RawServer(says(head + chunks + b"0\r\n\r\n")) as server:
        assert await call(transport, server.url) == b'{"ok":true}'


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        (b"gzip", gzip.compress(bytes(MAX_UNZIPPED * 2), mtime=0)),
        (b"zstd", b"{}"),
        (b"gzip, gzip", gzip.compress(gzip.compress(b"{}"))),
        (b"gzip", gzip.compress(b'{"ok":true}', mtime=0)[:-4]),
        (b"gzip", gzip.compress(b'{"ok":', mtime=0) + gzip.compress(b"true}", mtime=0)),
        (b"br", b"\x0b\x02\x80{}\x03"),
    ],
    ids=["bomb", "not read", "twice", "cut", "in two", "unknown"],
)
async def test_an_encoding_it_did_not_ask_for_is_understood_or_refused(
    transport: Transport, encoding: bytes, body: bytes
) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: %b\r\ncontent-length: %d\r\n\r\n" % (encoding, len(body))
    async with RawServer(says(head + body)) as server:
        with pytest.raises(UpstreamBroken):
            await call(transport, server.url)


async def test_a_bomb_in_many_chunks_is_one_bomb(transport: Transport) -> None:
    zipper = zlib.compressobj(9, zlib.DEFLATED, 31)
    pieces = [zipper.compress(bytes(MAX_UNZIPPED // 2)) + zipper.flush(zlib.Z_SYNC_FLUSH) for _ in range(3)]
    packed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n"
    async with RawServer(says(head + packed)) as server:
        with pytest.raises(UpstreamBroken, match="grows too much"):
            await call(transport, server.url)


@pytest.fixture(scope="module")
def long_answer() -> tuple[bytes, bytes]:
    """Return a text that does not shrink, and what it is zipped, for both loops."""
    text = random.Random(1).randbytes(2 * MAX_UNZIPPED)
    return text, gzip.compress(text, 1)


async def test_a_long_zipped_answer_is_no_bomb(
    transport: Transport, long_answer: tuple[bytes, bytes]
) -> None:
    text, body = long_answer
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with RawServer(says(head + body)) as server:
        assert await call(transport, server.url) == text


@pytest.mark.parametrize("cut", [0, 4], ids=["whole", "cut"])
async def test_a_zipped_body_without_a_length_ends_where_it_says(transport: Transport, cut: int) -> None:
    body = gzip.compress(b'{"ok":true}')

    async def old_fashioned(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n", body[: len(body) - cut])

    async with RawServer(old_fashioned) as server:
        if cut:
            with pytest.raises(UpstreamBroken):
                await call(transport, server.url)
        else:
            assert await call(transport, server.url) == b'{"ok":true}'


@pytest.mark.parametrize("encoding", [b"gzip", b"br"])
@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"204 No Content\r\n", 204),
        (b"304 Not Modified\r\n", 304),
        (b"429 Slow\r\ncontent-length: 0\r\n", 429),
    ],
)
async def test_an_empty_answer_may_claim_any_encoding(
    transport: Transport, encoding: bytes, line: bytes, status: int
) -> None:
    empty = b"HTTP/1.1 %bcontent-encoding: %b\r\n\r\n" % (line, encoding)
    async with RawServer(says(empty, OK)) as server:
        response = await transport.send(ask(server.url), LIMITS)

        assert (response.status, await response.read(MANY)) == (status, b"")
        assert await call(transport, server.url) == b"{}"
        assert len(server.peers) == 1
