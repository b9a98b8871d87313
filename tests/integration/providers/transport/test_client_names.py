"""A name server that does not answer delays no other name, and known addresses are used meanwhile."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from providers.errors.exceptions import ConnectFailed, UpstreamTimeout
from providers.target import Timeouts
from providers.transport.client import Transport, UpstreamRequest
from providers.transport.resolver import LOOKUPS
from tests.integration.providers.raw_server import Peer, RawServer

LIMITS = Timeouts(connect=5, first_byte=5, idle=5, total=10)
ALIVE, SILENT = "alive.example", "silent.example"


class NameServers:
    """Replaces the system's resolver: answers from `leads_to`, but not for `silent` names until `released`."""

    def __init__(self) -> None:
        self.leads_to: dict[str, str] = {ALIVE: "127.0.0.1"}
        self.silent: set[str] = set()
        self.asked: Counter[str] = Counter()
        self.at_once = self.most_at_once = 0
        self.heard = threading.Semaphore(0)
        self.released = threading.Event()
        self._numeric = socket.getaddrinfo
        self._lock = threading.Lock()

    def getaddrinfo(self, host: str, port: int, *args: Any, **more: Any) -> list[Any]:
        if host.startswith("127."):
            return self._numeric(host, port, *args, **more)
        with self._lock:
            self.asked[host] += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.heard.release()
        if host in self.silent:
            self.released.wait()
        with self._lock:
            self.at_once -= 1
        if host not in self.leads_to:
            raise socket.gaierror(socket.EAI_NONAME, "nobody knows this name")
        return self._numeric(self.leads_to[host], port, *args, **more)

    async def have_heard(self, times: int) -> None:
        for _ in range(times):
            assert await asyncio.to_thread(self.heard.acquire, timeout=5)


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServers]:
    stand_in = NameServers()
    monkeypatch.setattr(socket, "getaddrinfo", stand_in.getaddrinfo)
    yield stand_in
    stand_in.released.set()


async def answers_once(peer: Peer) -> None:
    await peer.request()
    await peer.answer(b"{}", b"connection: close\r\n")  # so that each call needs a new connection


async def call(transport: Transport, host: str, port: int, limits: Timeouts = LIMITS) -> bytes:
    response = await transport.send(UpstreamRequest("POST", f"http://{host}:{port}/v1", {}, b"{}"), limits)
    try:
        return await response.read(100)
    finally:
        await response.aclose()


async def test_concurrent_lookups_of_a_silent_name_are_one_and_delay_no_other(
    transport: Transport, servers: NameServers
) -> None:
    servers.silent, servers.leads_to[SILENT] = {SILENT}, "127.0.0.1"
    async with RawServer(answers_once) as server:
        crowd = [asyncio.create_task(call(transport, SILENT, server.port)) for _ in range(100)]
        await servers.have_heard(1)

        for host in (ALIVE, "127.0.0.1") * 3:
            assert await call(transport, host, server.port) == b"{}"
        assert not any(one.done() for one in crowd)

        servers.released.set()
        assert await asyncio.gather(*crowd) == [b"{}"] * 100
    assert servers.asked == {SILENT: 1, ALIVE: 1}


async def test_a_cancelled_wait_for_a_name_does_not_cancel_the_shared_lookup(
    transport: Transport, servers: NameServers
) -> None:
    servers.silent, servers.leads_to[SILENT] = {SILENT}, "127.0.0.1"
    async with RawServer(answers_once) as server:
        first, second = (asyncio.create_task(call(transport, SILENT, server.port)) for _ in range(2))
        await servers.have_heard(1)

        first.cancel()
        with pytest.raises(UpstreamTimeout):
            await call(transport, SILENT, server.port, Timeouts(connect=0.05, first_byte=5, idle=5, total=10))
        servers.released.set()

        assert await second == b"{}"
        with pytest.raises(asyncio.CancelledError):
            await first
    assert servers.asked == {SILENT: 1}


async def test_more_silent_names_than_threads_leave_addresses_alone_and_are_asked_in_turn(
    transport: Transport, servers: NameServers
) -> None:
    names = [f"{number}.example" for number in range(LOOKUPS + 3)]
    servers.silent = set(names)
    async with RawServer(answers_once) as server:
        waiting = [asyncio.create_task(call(transport, name, server.port)) for name in names]
        await servers.have_heard(LOOKUPS)

        assert await call(transport, "127.0.0.1", server.port) == b"{}"

        servers.released.set()
        for outcome in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(outcome, ConnectFailed)
    assert servers.asked == dict.fromkeys(names, 1)
    assert servers.most_at_once == LOOKUPS


@pytest.mark.parametrize("trouble", ["silent", "unknown"])
async def test_old_addresses_serve_while_a_name_cannot_be_looked_up(
    transport: Transport, servers: NameServers, monkeypatch: pytest.MonkeyPatch, fallbacks: Any, trouble: str
) -> None:
    monkeypatch.setattr("providers.transport.resolver.NAMES_S", 0.0)
    async with RawServer(answers_once) as server:
        await call(transport, ALIVE, server.port)
        assert fallbacks() == {}
        if trouble == "silent":
            servers.silent = {ALIVE}
        else:
            del servers.leads_to[ALIVE]

        for _ in range(3):
            assert await call(transport, ALIVE, server.port) == b"{}"
        assert set(fallbacks()) == {"old_addresses"}


async def test_old_addresses_do_not_serve_for_ever(
    transport: Transport, servers: NameServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("providers.transport.resolver.NAMES_S", 0.0)
    monkeypatch.setattr("providers.transport.resolver.OLD_S", 0.0)
    async with RawServer(answers_once) as server:
        await call(transport, ALIVE, server.port)
        del servers.leads_to[ALIVE]

        with pytest.raises(ConnectFailed, match="nobody knows"):
            await call(transport, ALIVE, server.port)


async def test_a_name_whose_host_does_not_answer_is_looked_up_again_at_once(
    transport: Transport, servers: NameServers
) -> None:
    servers.leads_to[ALIVE] = "127.0.0.2"  # no server is there
    async with RawServer(answers_once) as server:
        with pytest.raises(ConnectFailed):
            await call(transport, ALIVE, server.port)
        servers.leads_to[ALIVE] = "127.0.0.1"

        assert await call(transport, ALIVE, server.port) == b"{}"


async def test_a_known_name_is_not_looked_up_for_every_connection(
    transport: Transport, servers: NameServers
) -> None:
    async with RawServer(answers_once) as server:
        for _ in range(5):
            await call(transport, ALIVE, server.port)

    assert servers.asked == {ALIVE: 1}


async def test_closing_fails_calls_that_wait_for_a_name(servers: NameServers) -> None:
    transport = Transport()
    await transport.open()
    servers.silent = {SILENT}
    waiting = asyncio.create_task(call(transport, SILENT, 80))
    await servers.have_heard(1)

    await transport.aclose()

    with pytest.raises(ConnectFailed, match="closed"):
        await waiting


PROGRAM = """
import asyncio, socket, sys, threading
import uvloop
from providers.errors.exceptions import UpstreamTimeout
from providers.target import Timeouts
from providers.transport.client import Transport, UpstreamRequest

socket.getaddrinfo = lambda *args, **more: threading.Event().wait()

async def ask():
    transport = Transport()
    await transport.open()
    try:
        await transport.send(UpstreamRequest("POST", "http://silent.example/", {}, b""), Timeouts(connect=0.05))
    except UpstreamTimeout as failure:
        print(failure.phase)
    await transport.aclose()

with asyncio.Runner(loop_factory=getattr(sys.modules[sys.argv[1]], "new_event_loop")) as runner:
    runner.run(ask())
"""


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_process_ends_although_a_lookup_hangs(loop: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, loop], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "connect\n", "")
