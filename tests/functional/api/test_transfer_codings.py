"""A body has one transfer coding: `chunked`. Others are refused and their connection ends, so that no byte of a body
is ever read as a request (RFC 9112, 6.1, 6.3 and 11.2).
"""

from __future__ import annotations

import asyncio
import gzip
import zlib
from urllib.parse import urlsplit

import pytest

from tests.support import sample

BODY = b'{"model":"m6","messages":[{"role":"user","content":"hi"}]}'
HIDDEN = b"GET /v1/smuggled HTTP/1.1\r\nhost: x\r\n\r\n"


def chunked(body):
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


async def exchange(gateway, lines, body, version="1.1"):
    """Send one request with another hidden behind it; return all that comes until the connection ends."""
    head = [
        f"POST /v1/chat/completions HTTP/{version}",
        "host: gateway",
        f"authorization: Bearer {sample.ALICE}",
        "content-type: application/json",
    ]
    address = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    data = "\r\n".join(head).encode() + b"\r\n" + b"".join(line + b"\r\n" for line in lines)
    writer.write(data + b"\r\n" + body)
    try:
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()


SOUND = (b"chunked", b"Chunked", b"\tchunked ", b"  CHUNKED  ")
NOT_READ = (
    b"gzip, chunked",
    b"gzip,chunked",
    b"deflate, chunked",
    b"x-gzip , chunked",
    b"identity, chunked",
    b"compress, gzip, chunked",
    b'foo;bar="baz", chunked',
)
FAULTY = (
    b"gzip",
    b"deflate",
    b"identity",
    b"chunked, gzip",
    b"chunked, identity",
    b"chunked, chunked",
    b"gzip, chunked, chunked",
    b"chunked;q=1",
    b"chunked;q=1, chunked",
    b"xchunked",
    b"chunked\x0b",
    b'"chunked"',
    b", chunked",
    b"chunked,",
    b"gzip chunked",
    b"g zip, chunked",
)


@pytest.mark.parametrize("value", SOUND)
async def test_chunked_body_is_read(shared_gateway, value):
    said = await exchange(
        shared_gateway, [b"transfer-encoding:" + value, b"connection: close"], chunked(BODY)
    )
    assert said.startswith(b"HTTP/1.1 200 ")


PACKED = {b"gzip": gzip.compress(BODY, mtime=0), b"deflate": zlib.compress(BODY)}


@pytest.mark.parametrize("value", NOT_READ)
async def test_other_transfer_coding_is_refused_with_the_reason(shared_gateway, value):
    body = PACKED.get(value.partition(b",")[0], BODY)
    said = await exchange(shared_gateway, [b"transfer-encoding: " + value], chunked(body) + HIDDEN)
    assert said.startswith(b"HTTP/1.1 501 ")
    assert b"connection: close" in said
    assert said.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("value", FAULTY)
async def test_body_with_an_ambiguous_end_is_refused(shared_gateway, value):
    said = await exchange(shared_gateway, [b"transfer-encoding: " + value], chunked(BODY) + HIDDEN)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in said
    assert said.count(b"HTTP/1.1 ") == 1


DOUBLED = {
    "twice": ([b"transfer-encoding: chunked", b"transfer-encoding: chunked"], 400),
    "in two lines": ([b"transfer-encoding: gzip", b"Transfer-Encoding: chunked"], 501),
    "the other way": ([b"transfer-encoding: chunked", b"transfer-encoding: gzip"], 400),
    "with a length": ([b"transfer-encoding: chunked", b"content-length: 4"], 400),
    "behind a length": ([b"content-length: 4", b"transfer-encoding: chunked"], 400),
    "gzip with a length": ([b"content-length: 4", b"transfer-encoding: gzip, chunked"], 400),
    "a space before the colon": ([b"transfer-encoding : chunked"], 400),
    "folded": ([b"transfer-encoding:", b" chunked"], 400),
    "an empty one": ([b"transfer-encoding:"], 400),
    "an empty one first": ([b"transfer-encoding:", b"transfer-encoding: chunked"], 400),
}


@pytest.mark.parametrize("how", DOUBLED)
async def test_ambiguous_headers_are_refused(shared_gateway, how):
    lines, status = DOUBLED[how]
    said = await exchange(shared_gateway, lines, chunked(BODY) + HIDDEN)
    assert said.startswith(b"HTTP/1.1 %d " % status)
    assert said.count(b"HTTP/1.1 ") == 1


async def test_chunked_body_of_http_1_0_is_refused(shared_gateway):
    said = await exchange(shared_gateway, [b"transfer-encoding: chunked"], chunked(BODY) + HIDDEN, "1.0")
    assert said.startswith(b"HTTP/1.1 400 ")
    assert said.count(b"HTTP/1.1 ") == 1
