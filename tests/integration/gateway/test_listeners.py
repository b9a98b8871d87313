"""Many connections at once are accepted several in a turn of the loop; each waits for few turns."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket

import uvloop
from typing_extensions import override

from gateway.server.uvicorn_server import ACCEPTS_A_TURN, bind, listeners
from gateway.supervisor.supervisor_client import SupervisorClient

CROWD = 64


class Turns:
    """Counts the turns of the loop."""

    def __init__(self):
        self.count = 0
        self._loop = asyncio.get_running_loop()
        self._turn()

    def _turn(self):
        self.count += 1
        self._next = self._loop.call_soon(self._turn)

    def stop(self):
        self._next.cancel()


async def turns_to_let_in(sockets):
    """Return how many turns pass between the first and the last of a crowd that waits already."""
    loop, turns, let_in, done = asyncio.get_running_loop(), Turns(), [], asyncio.Event()

    class Door(asyncio.Protocol):
        @override
        def connection_made(self, transport):
            transport.close()
            let_in.append(turns.count)
            if len(let_in) == CROWD:
                done.set()

    with contextlib.ExitStack() as stack:
        for _ in range(CROWD):
            stack.enter_context(socket.create_connection(sockets[0].getsockname()))
        servers = [await loop.create_server(Door, sock=each) for each in sockets]
        await done.wait()
        for server in servers:
            server.close()
    turns.stop()
    return let_in[-1] - let_in[0]


def test_many_connections_are_accepted_in_one_loop_turn():
    sockets = listeners(bind("127.0.0.1", 0), 1)
    assert uvloop.run(turns_to_let_in(sockets)) <= CROWD / ACCEPTS_A_TURN + 2


def test_plain_socket_accepts_one_connection_in_a_loop_turn():
    assert uvloop.run(turns_to_let_in([bind("127.0.0.1", 0)])) >= CROWD / 2


def test_workers_share_new_connections():
    sockets = [listeners(bind("127.0.0.1", 0), workers) for workers in (1, 4, 100)]
    assert [len(each) for each in sockets] == [ACCEPTS_A_TURN, ACCEPTS_A_TURN // 4, 1]
    for each in (each for some in sockets for each in some):
        each.close()


async def test_a_worker_that_takes_over_the_listener_delays_no_connection():
    first, (ours, theirs) = bind("127.0.0.1", 0), socket.socketpair()
    with first, ours:
        link = SupervisorClient.inherited(os.dup(first.fileno()), theirs.detach())
        copies = listeners(link.listener, 2)
        assert len(copies) == ACCEPTS_A_TURN // 2
        assert not os.get_blocking(first.fileno())
        for each in copies:
            each.close()
        await link.open(on_orphaned=lambda: None)
        link.report_ready()
        await link.aclose()
