"""A body that has come with its head is read without a timer; for any other there is one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from gateway.http.client_connection import BodyTooLarge, ClientConnection
from gateway.overload.body_memory import BodyMemory
from gateway.protocol.http_protocol import HttpProtocol

HEAD = b"POST /v1/embeddings HTTP/1.1\r\nhost: here\r\ncontent-length: %d\r\n\r\n"
TIMER = asyncio.timeout


@pytest.fixture
def timers(monkeypatch):
    """Return a list that grows with each timer of a body."""
    made: list[float] = []

    def timer(seconds: float) -> asyncio.Timeout:
        made.append(seconds)
        return TIMER(seconds)

    monkeypatch.setattr("gateway.http.client_connection.asyncio.timeout", timer)
    return made


async def served(*pieces, limit=1000):
    """Return what a server reads that gets these pieces, all but the first after it has begun to read; or why not."""
    read: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    begun = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        connection = ClientConnection(scope, receive, send)
        declared = dict(scope["headers"]).get(b"content-length", b"")
        begun.set()
        try:
            read.set_result(
                await connection.read_body(limit, BodyMemory(1 << 20, 1 << 20).lease(1), declared)
            )
        except BodyTooLarge as error:
            read.set_exception(error)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    config = Config(app, log_config=None, access_log=False)
    config.load()

    def protocol() -> HttpProtocol:
        return HttpProtocol(config=config, server_state=ServerState(), app_state={})

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for piece in pieces:
            writer.write(piece)
            await begun.wait()
        try:
            return await read
        finally:
            await reader.readline()
            writer.close()


async def test_body_already_received_needs_no_timer(timers):
    assert await served(HEAD % 5 + b"12345") == b"12345"
    assert timers == []


@pytest.mark.parametrize(
    "pieces",
    [(HEAD % 5, b"12345"), (HEAD % 5 + b"12", b"345"), (HEAD % 5, b"1", b"2", b"345")],
)
async def test_body_that_arrives_later_has_a_timer(timers, pieces):
    assert await served(*pieces) == b"12345"
    assert len(timers) == 1


async def test_body_already_received_may_be_too_large():
    chunked = HEAD.replace(b"content-length: %d", b"transfer-encoding: chunked") + b"5\r\n12345\r\n0\r\n\r\n"
    assert await served(chunked, limit=5) == b"12345"
    with pytest.raises(BodyTooLarge):
        await served(chunked, limit=4)
