"""A client that does not read its answer keeps no memory and no slot; a slow one gets all of it."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest
import uvicorn
import uvloop

from gateway.protocol.http_protocol import with_timeouts
from gateway.server.uvicorn_server import bind
from tests.support.waiting import eventually

ANSWER = b"x" * 20_000_000  # more than any socket's buffers
ASKED = b"POST /v1/x HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
LAST = ASKED.replace(b"host: x", b"host: x\r\nconnection: close")
UNREAD_S = 0.6
SLOW_S = 2.0  # so long an interruption of the slow reader would be this machine's fault
WITHIN_S = 60.0  # a bound


class House:
    """A server whose every answer is large; `inside` counts the requests that have not been answered."""

    def __init__(self, unread_s):
        self.inside = self.asked = 0
        self.server = uvicorn.Server(
            uvicorn.Config(
                self.answer,
                interface="asgi3",
                loop="none",
                http=with_timeouts(5.0, unread_s / 2),
                lifespan="off",
                access_log=False,
                log_config=None,
                timeout_keep_alive=1,
            )
        )
        self.server.capture_signals = contextlib.nullcontext  # type: ignore[assignment,method-assign]

    async def answer(self, _, receive, send):
        self.inside += 1
        self.asked += 1
        try:
            while (await receive()).get("more_body"):
                pass
            size = str(len(ANSWER)).encode()
            start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", size)]}
            await send(start)
            await send({"type": "http.response.body", "body": ANSWER})
        finally:
            self.inside -= 1

    @property
    def is_empty(self):
        return not self.inside and not self.server.server_state.connections


async def client(port):
    """Return a connection with a small window."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    return sock


async def with_house(work, unread_s=UNREAD_S):
    house, listener = House(unread_s), bind("127.0.0.1", 0)
    serving = asyncio.create_task(house.server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(WITHIN_S):
            await eventually(lambda: house.server.started)
            await work(house, listener.getsockname()[1])
    finally:
        house.server.should_exit = house.server.force_exit = True
        await serving


@pytest.mark.parametrize("questions", [[ASKED], [ASKED, ASKED], [LAST]], ids=["one", "two", "the last"])
def test_a_client_that_reads_nothing_is_disconnected(questions):
    async def work(house, port):
        sock = await client(port)
        for each in questions:
            await asyncio.get_running_loop().sock_sendall(sock, each)
        await eventually(lambda: house.asked == len(questions))
        await eventually(lambda: house.is_empty)
        sock.close()

    uvloop.run(with_house(work))


def test_a_client_that_reads_slowly_gets_the_whole_answer():
    async def work(house, port):
        sock, loop, got = await client(port), asyncio.get_running_loop(), 0
        await loop.sock_sendall(sock, LAST)
        slow_until = loop.time() + 1.25 * SLOW_S  # longer than one may read nothing
        while data := await loop.sock_recv(sock, 1_000_000):
            got += len(data)
            if loop.time() < slow_until:
                await asyncio.sleep(SLOW_S / 60)
        assert loop.time() > slow_until
        assert got > len(ANSWER)
        sock.close()

    uvloop.run(with_house(work, SLOW_S))


def test_request_after_a_long_answer_is_answered_too():
    async def work(house, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        long = ASKED.replace(b"content-length: 2", b"content-length: 200000")[:-2] + b"y" * 200_000
        writer.write(long + LAST[:20])
        await reader.readexactly(len(ANSWER))
        writer.write(LAST[20:])
        rest = await reader.read()
        while data := await reader.read():
            rest += data
        assert rest.count(b"HTTP/1.1 200 OK") == 1
        writer.close()

    uvloop.run(with_house(work))
