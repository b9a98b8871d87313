"""Requests byte by byte, for what client libraries cannot send."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from tests.support import sample

CHAT = "/v1/chat/completions"
CLOSE = [b"connection: close"]
_ENDS = (b"\n\n\r\n0\r\n\r\n", b"}")  # of a stream, and of a JSON answer


async def spoken(gateway, *pieces, is_open=False):
    """Send these one after the other; return all that came back until the gateway closed or fell silent."""
    address = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    got = b""
    try:
        async with asyncio.timeout(30):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            while not (is_open and got.endswith(_ENDS)) and (block := await reader.read(65536)):
                got += block
    finally:
        writer.transport.abort()
    return got


def head(path=CHAT, method=b"POST", version=b"1.1", lines=(), length=None, host=b"gateway:8080"):
    given = [b"host: " + host, f"authorization: Bearer {sample.ALICE}".encode(), *lines]
    if length is not None:
        given += [b"content-type: application/json", b"content-length: %d" % length]
    return b"\r\n".join([method + b" " + path.encode() + b" HTTP/" + version, *given, b"", b""])
