"""Providers are asked to count for a budget: the largest number is taken, and what a tenant may ask is bounded."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest

from providers.native_count import counter as counter_module
from providers.native_count.asking import Prompt
from providers.native_count.counter import MOST_AT_ONCE, MOST_BYTES, MOST_KINDS, QUOTA, ProviderCounter
from providers.target import Target
from providers.tokens.amounts import Bound
from providers.transport.client import Transport
from tests.integration.providers.anthropic.test_native_count import PROMPT
from tests.integration.providers.raw_server import Peer, RawServer
from tests.support.vendors.claude_calls import deployment


class Counting:
    """Counts what its model's name says, and can be made to wait."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.arrived = asyncio.Semaphore(0)
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def script(self, peer: Peer) -> None:
        while True:
            body = (await peer.request()).partition(b"\r\n\r\n")[2]
            name = str(json.loads(body)["model"])
            self.asked.append(name)
            self.arrived.release()
            await self.may_answer.wait()
            answer = json.dumps({"input_tokens": int(name.partition("-")[2])}).encode()
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer))


@pytest.fixture
async def counting():
    made = Counting()
    async with RawServer(made.script) as server:
        yield made, server.url.removesuffix("/v1/chat/completions")


def at(url: str, *numbers: int) -> list[Target]:
    return [
        msgspec.structs.replace(deployment(base_url=url), id=place, upstream_model=f"m-{number}")
        for place, number in enumerate(numbers)
    ]


async def test_the_largest_is_taken_and_one_of_each_model_is_asked(transport: Transport, counting) -> None:
    server, url = counting
    counter = ProviderCounter(transport, lambda: 0.0)
    assert await counter.count(1, PROMPT, at(url, 5, 7, 5, 5)) == Bound(7)
    assert (sorted(server.asked), counter.counted) == (["m-5", "m-7"], 1)


async def test_one_that_does_not_say_leaves_nothing(transport: Transport, counting) -> None:
    _, url = counting
    assert await ProviderCounter(transport, lambda: 0.0).count(1, PROMPT, at(url, 5, 0)) is None


async def test_no_provider_is_asked_where_one_cannot_count_or_there_is_too_much(
    transport: Transport, counting
) -> None:
    server, url = counting
    counter, targets = ProviderCounter(transport, lambda: 0.0), at(url, 5)
    other = msgspec.structs.replace(
        targets[0], provider="openai-compatible", api="openai", upstream_model="x"
    )
    large = Prompt(b" " * (MOST_BYTES + 1), PROMPT.shape, "messages")
    assert await counter.count(1, PROMPT, [*targets, other]) is None
    assert await counter.count(1, PROMPT, at(url, *range(1, MOST_KINDS + 2))) is None
    assert await counter.count(1, large, targets) is None
    assert await counter.count(1, PROMPT, []) is None
    assert server.asked == []


async def test_a_tenant_has_few_at_once_and_others_do_not_wait(transport: Transport, counting) -> None:
    server, url = counting
    server.may_answer.clear()
    counter = ProviderCounter(transport, lambda: 0.0)
    running = [asyncio.ensure_future(counter.count(1, PROMPT, at(url, 5))) for _ in range(MOST_AT_ONCE)]
    for _ in running:
        await server.arrived.acquire()
    assert await counter.count(1, PROMPT, at(url, 5)) is None
    other = asyncio.ensure_future(counter.count(2, PROMPT, at(url, 5)))
    await server.arrived.acquire()
    server.may_answer.set()
    assert await asyncio.gather(*running, other) == [Bound(5)] * (MOST_AT_ONCE + 1)
    assert await counter.count(1, PROMPT, at(url, 5)) == Bound(5)


async def test_a_tenants_counts_of_a_minute_end_and_return(transport: Transport, counting) -> None:
    server, url = counting
    now = [0.0]
    counter = ProviderCounter(transport, lambda: now[0])
    for _ in range(int(QUOTA)):
        assert await counter.count(1, PROMPT, at(url, 5)) == Bound(5)
    assert await counter.count(1, PROMPT, at(url, 5)) is None
    assert await counter.count(2, PROMPT, at(url, 5)) == Bound(5)
    now[0] = 4.0
    assert await counter.count(1, PROMPT, at(url, 5)) == Bound(5)
    assert len(server.asked) == QUOTA + 2


async def test_a_cancelled_count_frees_its_place(transport: Transport, counting) -> None:
    server, url = counting
    server.may_answer.clear()
    counter = ProviderCounter(transport, lambda: 0.0)
    for _ in range(MOST_AT_ONCE + 1):
        running = asyncio.ensure_future(counter.count(1, PROMPT, at(url, 5)))
        await server.arrived.acquire()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_a_count_that_does_not_come_is_not_waited_for(
    transport: Transport, counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, url = counting
    monkeypatch.setattr(counter_module, "WAIT_S", 0.01)
    server.may_answer.clear()
    counter = ProviderCounter(transport, lambda: 0.0)
    assert await counter.count(1, PROMPT, at(url, 5)) is None
    assert counter.counted == 0
