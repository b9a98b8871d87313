"""Bodies above the limit of 20 MB are refused while they are read, in bounded memory, and the gateway continues."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support import sample
from tests.support.clients.raw_calls import question

MB = 1024 * 1024
CHAT = "/v1/chat/completions"
CHUNK = b"%x\r\n%s\r\n" % (64 * 1024, b"x" * 64 * 1024)


def resident(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def head_of(length):
    return (
        f"POST {CHAT} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {sample.ALICE}\r\n"
        f"content-type: application/json\r\n{length}\r\n\r\n"
    ).encode()


async def exchange(gateway, head, pieces):
    """Send, however long it takes to be refused; return the answer's first bytes up to its end."""
    address = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)

    async def write():
        try:
            writer.write(head)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            return

    writing = asyncio.create_task(write())
    async with asyncio.timeout(20):
        status = await reader.readuntil(b"\r\n\r\n")
        length = next(int(x.split(b":")[1]) for x in status.split(b"\r\n") if x.startswith(b"content-length"))
        body = await reader.readexactly(length)
    writing.cancel()
    await asyncio.wait([writing])
    writer.transport.abort()
    return int(status.split(b" ")[1]), json.loads(body)["error"]["code"]


async def test_a_declared_length_is_refused_before_a_byte_of_it(shared_gateway):
    assert await exchange(shared_gateway, head_of(f"content-length: {25 * MB}"), []) == (
        413,
        "request_too_large",
    )


async def test_a_declared_body_that_comes_all_the_same_is_refused(shared_gateway):
    pieces = [b"x" * MB] * 25
    found = await exchange(shared_gateway, head_of(f"content-length: {25 * MB}"), pieces)
    assert found == (413, "request_too_large")


async def test_a_chunked_body_is_refused_when_it_passes_the_limit(shared_gateway):
    found = await exchange(shared_gateway, head_of("transfer-encoding: chunked"), [CHUNK] * 400)
    assert found == (413, "request_too_large")


async def test_httpx_reads_the_refusal_too(shared_gateway):
    async with shared_gateway.client(sample.ALICE) as client:
        body = b'{"x":"' + b"x" * 25 * MB + b'"}'
        answer = await client.post(CHAT, content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")
        assert (await client.post(CHAT, json=question("chat"))).status_code == 200


async def test_memory_stays_bounded_however_much_is_sent(shared_gateway):
    async def pour():
        return await exchange(shared_gateway, head_of("transfer-encoding: chunked"), [CHUNK] * 1000)

    await pour()
    before = resident(shared_gateway.pid)
    for _ in range(5):
        assert (await pour())[0] == 413
    assert resident(shared_gateway.pid) - before < 30 * MB


async def test_a_body_under_the_limit_is_served(shared_gateway, upstream):
    upstream.script("up-m14", {})
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "aGk0" * (MB * 3 // 2)}}
    long = {"model": "m14", "messages": [{"role": "user", "content": [picture]}]}
    async with shared_gateway.client(sample.BOB) as client:
        answer = await client.post(CHAT, json=long)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "line", ["content-length: 10\r\ntransfer-encoding: chunked", "content-length: -1", "content-length: x"]
)
async def test_ambiguous_lengths_are_refused(shared_gateway, line):
    address = urlsplit(shared_gateway.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(head_of(line))
    async with asyncio.timeout(10):
        said = await reader.read(64)
    writer.transport.abort()
    assert said.split(b" ")[1:2] == [b"400"] or not said


async def test_a_client_that_disconnects_in_its_body_disturbs_no_other_call(gateway_factory):
    gateway = gateway_factory()
    address = urlsplit(gateway.url)
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(head_of("content-length: 1000") + b'{"model":')
    await writer.drain()
    writer.transport.abort()
    async with gateway.client(sample.ALICE) as client:
        assert (await client.post(CHAT, json=question("chat"))).status_code == 200
    assert not [record for record in gateway.records() if record.get("level") == "error"]
