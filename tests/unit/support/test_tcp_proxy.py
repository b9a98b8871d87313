"""The proxy that tests cut leaves nothing open, whenever it is cut: a connection just accepted is closed too."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack, suppress

import pytest

from tests.support.faults.tcp_proxy import Link


@pytest.mark.parametrize("turns", range(8))
async def test_what_was_accepted_is_closed(turns: int) -> None:
    target = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    link = Link(target.sockets[0].getsockname()[1])
    await link.mend()
    with ExitStack() as clients:
        several = [
            clients.enter_context(socket.create_connection(("127.0.0.1", link.port), timeout=10))
            for _ in range(3)
        ]
        for _ in range(turns):
            await asyncio.sleep(0)
        await link.cut()
        for client in several:
            with suppress(ConnectionResetError):
                assert client.recv(1) == b""
    target.close()
    await asyncio.sleep(0)
