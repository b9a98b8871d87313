"""Unauthenticated clients open connections and keep them: callers and internal work are served beside them."""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support import sample
from tests.support.clients.raw_calls import question
from tests.support.servers.gateway import Gateway, merged

CHAT = "/v1/chat/completions"
HEALTH = b"GET /healthz HTTP/1.1\r\nhost: gateway\r\n\r\n"
HALF = b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nx-half: "
LOGIN = b"POST /admin/ui/login/ HTTP/1.1\r\nhost: gateway\r\ncontent-length: 100\r\n\r\nx"
SCARCE = r'gateway_connections_closed_total\{reason="scarce"\}'
GUESS = b"GET /v1/models HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer sk-a.b\r\n\r\n"


class Crowd:
    """Connections that ask once and stay."""

    def __init__(self, gateway):
        address = urlsplit(gateway.url)
        self._place = address.hostname, address.port
        self._lines: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def come(self, count, said, *, waits=True, origin="127.0.0.1"):
        """Open so many, send this on each, and wait for the beginning of an answer where one is due."""
        for _ in range(count):
            with contextlib.suppress(ConnectionError):
                line = await asyncio.open_connection(*self._place, local_addr=(origin, 0))
                self._lines.append(line)
                line[1].write(said)
                if waits:
                    await line[0].read(4096)

    def leave(self):
        for _, writer in self._lines:
            writer.transport.abort()

    async def ended(self):
        """Return when every one of them was closed by the gateway."""
        for reader, _ in self._lines:
            with contextlib.suppress(ConnectionError):
                while await reader.read(4096):
                    pass


@pytest.fixture(scope="module")
def small(upstream, closed_port, tmp_path_factory):
    """Yield a gateway with the descriptors of a small system, and many of them soft-limited."""
    server = {"server": {"workers": 1, "reserved_descriptors": 150}}
    plan = merged(sample.config(upstream.base_url, closed_port), server)
    gateway = Gateway(plan, tmp_path_factory.mktemp("small") / "data").start(files=(200, 420))
    yield gateway
    gateway.stop()


@contextlib.contextmanager
def crowd(gateway):
    strangers = Crowd(gateway)
    try:
        yield strangers
    finally:
        strangers.leave()


async def count(client, metric):
    text = (await client.get("/metrics")).text
    return sum(float(value) for value in re.findall(rf"^{metric} (\S+)$", text, re.MULTILINE))


def test_the_limit_of_open_files_is_raised_at_the_start(small):
    found = re.search(r"Max open files +(\d+) +(\d+)", Path(f"/proc/{small.pid}/limits").read_text())
    assert found is not None
    assert found.groups() == ("420", "420")


@pytest.mark.parametrize(
    ("said", "waits"),
    [(HEALTH, True), (b"", False), (HALF, False), (LOGIN, False), (GUESS, True)],
    ids=["answered", "silent", "half-a-head", "half-a-body", "wrong-key"],
)
async def test_one_unauthenticated_client_cannot_take_all_descriptors(small, said, waits):
    """As many as the process could ever have; calls are served, and keys are written, beside them."""
    with crowd(small) as strangers:
        await strangers.come(450, said, waits=waits)
        for _ in range(3):
            async with small.client(sample.ALICE) as client:  # each on a connection of its own
                assert (await client.post(CHAT, json=question("chat"))).status_code == 200
        small.manage("create_key", "alice-co", "--name", "made beside them")
    assert not [line for line in small.logs() if "Too many open files" in line]


async def test_unauthenticated_clients_of_many_addresses_cannot_take_all_descriptors(small):
    async with small.client(sample.ALICE) as early:
        assert (await early.post(CHAT, json=question("chat"))).status_code == 200
        before = await count(early, SCARCE)
        with crowd(small) as strangers:
            for number in range(2, 42):
                await strangers.come(10, HEALTH, origin=f"127.0.0.{number}")
            assert (await early.post(CHAT, json=question("chat"))).status_code == 200
            async with small.client(sample.ALICE) as client:
                assert (await client.post(CHAT, json=question("chat"))).status_code == 200
                assert await count(client, SCARCE) - before >= 250


async def test_running_streams_are_not_ended_by_unauthenticated_clients(small, upstream):
    upstream.script("up-m12", {"chunks": 3, "hold_after": 1})
    body = {"model": "m12", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    async with small.client(sample.ALICE) as client, client.stream("POST", CHAT, json=body) as answer:
        lines = answer.aiter_lines()
        await anext(lines)
        with crowd(small) as strangers:
            await strangers.come(450, HEALTH)
        upstream.release()
        assert [line async for line in lines if line][-1] == "data: [DONE]"


async def test_an_address_keeps_at_most_its_share_of_unauthenticated_connections(gateway_factory):
    gateway = gateway_factory({"server": {"workers": 1, "max_connections_per_address": 20}})
    with crowd(gateway) as strangers:
        for _ in range(4):
            await strangers.come(20, HEALTH)
            await asyncio.sleep(1.1)  # the grace of a crowd that comes at once
        async with gateway.client(sample.ALICE) as client:
            assert await count(client, r'gateway_connections_closed_total\{reason="address"\}') >= 40


async def test_a_connection_is_kept_idle_for_callers_only(gateway_factory):
    gateway = gateway_factory({"server": {"unauthenticated_keep_alive": "500ms"}})
    async with gateway.client(sample.ALICE) as caller:
        answer = await caller.get("/v1/models")
        used = answer.extensions["network_stream"].get_extra_info("client_addr")
        for said in (HEALTH, GUESS):
            with crowd(gateway) as strangers:
                await strangers.come(3, said)
                async with asyncio.timeout(10):
                    await strangers.ended()
        again = await caller.get("/v1/models")
        assert again.extensions["network_stream"].get_extra_info("client_addr") == used


async def test_a_trusted_proxy_keeps_its_connections(gateway_factory):
    gateway = gateway_factory(
        {"server": {"unauthenticated_keep_alive": "300ms", "trusted_proxies": ["127.0.0.1"]}}
    )
    async with gateway.client() as proxy:
        first = await proxy.get("/healthz")
        used = first.extensions["network_stream"].get_extra_info("client_addr")
        await asyncio.sleep(0.8)
        again = await proxy.get("/healthz")
        assert again.extensions["network_stream"].get_extra_info("client_addr") == used
