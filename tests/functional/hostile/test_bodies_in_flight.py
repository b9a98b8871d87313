"""All bodies in memory have one bound: above it a call is refused before its body is read; small ones pass."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.support import sample
from tests.support.clients.raw_calls import CHAT, ask, question
from tests.support.waiting import eventually

MB = 1024 * 1024
ROOM = 4  # MB; two for one tenant


@pytest.fixture
def gateway_with_small_body_memory(gateway_factory, upstream):
    return gateway_factory(
        {
            "server": {"body_limit_mb": 2, "bodies_in_flight_mb": ROOM, "workers": 1},  # one worker's room
            "model_catalog": [
                sample.row(
                    "stuck",
                    "up-stuck",
                    upstream.base_url,
                    context_window=4_000_000,
                    timeouts={"first_byte": "60s"},
                )
            ],
        }
    )


def large(model="stuck", size=MB):
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * size}}
    return {"model": model, "messages": [{"role": "user", "content": [picture]}], "max_tokens": 5}


async def begin(gateway, key, framing, piece=b""):
    """Send the head of a call and return the first line of what comes back, with the rest of the head."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
    writer.write(f"{head}{framing}\r\n\r\n".encode() + piece)
    async with asyncio.timeout(60):
        answer = (await reader.readuntil(b"\r\n\r\n")).decode()
        body = await reader.readuntil(b"}}")
    writer.transport.abort()
    return answer, json.loads(body)["error"]["code"]


async def test_bodies_beyond_the_memory_bound_are_not_read_and_small_calls_go_on(
    gateway_with_small_body_memory, upstream
):
    upstream.script("up-stuck", {"hold_before_head": True})
    calls = [
        asyncio.create_task(ask(gateway_with_small_body_memory.url, key, large()))
        for key in (sample.ALICE, sample.BOB, sample.CHARLIE)
    ]
    await upstream.wait("arrived", model="up-stuck", count=3)

    refused, code = await begin(
        gateway_with_small_body_memory, sample.ALICE, f"content-length: {MB}"
    )  # a second one is over the tenant's half
    assert (refused.split()[1], code) == ("503", "overloaded")
    assert "retry-after: " in refused
    grown, code = await begin(
        gateway_with_small_body_memory,
        sample.BOB,
        "transfer-encoding: chunked",
        b"100000\r\n" + b" " * MB + b"\r\n",
    )
    assert (grown.split()[1], code) == ("503", "overloaded")
    assert (await ask(gateway_with_small_body_memory.url, sample.ALICE, question("m1"))).status == 200

    async with gateway_with_small_body_memory.client() as client:
        assert 'gateway_shed_total{reason="bodies"} 2.0' in (await client.get("/metrics")).text
    upstream.release(model="up-stuck")
    assert [answer.status for answer in await asyncio.gather(*calls)] == [200] * 3
    upstream.script("up-stuck", {})
    assert (
        await ask(gateway_with_small_body_memory.url, sample.ALICE, large())
    ).status == 200  # what was taken came back


async def test_a_crowd_of_large_bodies_takes_no_more_memory_than_was_set(
    gateway_with_small_body_memory, upstream
):
    upstream.script("up-stuck", {"hold_before_head": True})
    before, earlier = resident(gateway_with_small_body_memory.pid), len(upstream.seen(model="up-stuck"))
    keys = [sample.ALICE, sample.BOB, sample.CHARLIE] * 20
    calls = [asyncio.create_task(ask(gateway_with_small_body_memory.url, key, large())) for key in keys]
    await eventually(lambda: sum(call.done() for call in calls), lambda done: done >= len(keys) - 3)
    grown = resident(gateway_with_small_body_memory.pid) - before
    running = len(upstream.seen(model="up-stuck")) - earlier
    upstream.script("up-stuck", {})  # also for those that have not arrived there yet
    upstream.release(model="up-stuck")
    answers = await asyncio.gather(*calls)
    assert {answer.status for answer in answers} <= {200, 503, 0}  # 0: refused while it was still sending
    assert running <= ROOM
    assert grown < 12 * ROOM * MB


def resident(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
