"""A gateway keeps no memory of ended calls. Only in `make soak`; prints the memory every 20,000 calls."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.support import sample
from tests.support.books.money import settled

CALLS = 200_000
STEP = 20_000
WARM = 40_000
CLIENTS = 32
MIB = 1024 * 1024
MOST_GROWTH = 20 * MIB


def resident(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def request(url, body):
    host = url.removeprefix("http://")
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {sample.ALICE}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Client:
    """One kept connection that asks again and again; every fourth call is a stream."""

    def __init__(self, url):
        host, _, port = url.removeprefix("http://").partition(":")
        self._address = host, int(port)
        text = b'{"model":"m1","messages":[{"role":"user","content":"hi"}],"max_tokens":5%s}'
        self._plain, self._stream = request(url, text % b""), request(url, text % b',"stream":true')

    async def ask(self, calls):
        reader, writer = await asyncio.open_connection(*self._address)
        for number in range(calls):
            is_stream = number % 4 == 0
            writer.write(self._stream if is_stream else self._plain)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            if is_stream:
                await reader.readuntil(b"\r\n0\r\n\r\n")
                continue
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
        writer.close()


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_two_hundred_thousand_calls_leak_no_memory(gateway_factory, upstream):
    upstream.script("up-m1", {})
    gateway = gateway_factory()
    seen = {}
    begun = time.monotonic()
    for calls in range(STEP, CALLS + 1, STEP):
        await asyncio.gather(*(Client(gateway.url).ask(STEP // CLIENTS) for _ in range(CLIENTS)))
        seen[calls] = resident(gateway.pid)
        rate = calls / (time.monotonic() - begun)
        print(f"{calls:7,} calls: {seen[calls] / MIB:.1f} MiB, {rate:.0f} calls/s", flush=True)  # noqa: T201 - the figure
    await settled(gateway)
    assert max(seen[calls] for calls in seen if calls >= WARM) - seen[WARM] <= MOST_GROWTH
