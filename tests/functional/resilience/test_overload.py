"""A full gateway refuses at once, batch keys first, and uses 429 only for the caller's own limits."""

from __future__ import annotations

import asyncio

import pytest

from tests.bench.processes import cpu_seconds
from tests.support import sample
from tests.support.books.why import stories_of
from tests.support.clients.raw_calls import ask, question

BATCH = "sk-batch.batch-secret"
SLOTS = 10
REFUSALS = 200


@pytest.fixture
def small(gateway_factory):
    """Return a gateway that serves ten calls at a time."""
    keys = [sample.key("charlie-co", BATCH, priority="batch")]
    return gateway_factory(
        {
            "server": {  # the slots are one worker's
                "max_inflight": SLOTS,
                "max_inflight_per_endpoint": SLOTS,
                "workers": 1,
            },
            "bootstrap": {"api_keys": keys},
        }
    )


async def occupied(gateway, upstream, count, key=sample.ALICE, before=0):
    """Start calls that stay, and return them once the provider has them all."""
    calls = [asyncio.create_task(ask(gateway.url, key, question("m15"))) for _ in range(count)]
    await upstream.wait("arrived", model="up-m15", count=before + count)
    return calls


async def test_gateway_refuses_in_the_order_of_importance_and_serves_again(small, upstream):
    upstream.script("up-m15", {"hold_before_head": True})
    already = len(upstream.seen(model="up-m15"))
    calls = await occupied(small, upstream, 5, before=already)
    calls += await occupied(small, upstream, 3, sample.BOB, before=already + 5)
    batch = await ask(small.url, BATCH, question("m1"))
    assert (batch.status, batch.error["code"]) == (503, "overloaded")
    assert batch.headers["retry-after"] in {"1", "2", "3"}
    calls += await occupied(small, upstream, 1, sample.BOB, before=already + 8)
    greedy = await ask(small.url, sample.ALICE, question("m1"))  # has its half of a nearly full gateway
    assert greedy.error["code"] == "overloaded"
    calls += await occupied(small, upstream, 1, sample.CHARLIE, before=already + 9)
    assert (await ask(small.url, sample.BOB, question("m1"))).status == 503
    async with small.client() as client:
        assert (await client.get("/healthz")).status_code == 200
        metrics = (await client.get("/metrics")).text
    for reason in ("batch", "tenant_share", "full"):
        assert f'gateway_shed_total{{reason="{reason}"}} 1.0' in metrics
    upstream.release(model="up-m15")
    assert [answer.status for answer in await asyncio.gather(*calls)] == [200] * 10
    stories = await stories_of(small, [batch.id, greedy.id])
    for story, words in zip(stories, ("are refused first", "this tenant had its share of it"), strict=True):
        assert "(overloaded)" in story
        assert words in story.partition("Why it was refused")[2]
    assert (await ask(small.url, BATCH, question("m1"))).status == 200


async def test_a_refusal_costs_less_than_a_call_and_does_not_wait_for_the_body(small, upstream):
    upstream.script("up-m16", {})
    before = cpu_seconds([small.pid])  # waiting for the machine is not counted
    for _ in range(REFUSALS):
        assert (await ask(small.url, sample.ALICE, question("m16"))).status == 200
    served_s = cpu_seconds([small.pid]) - before
    upstream.script("up-m16", {"hold_before_head": True})
    earlier = len(upstream.seen(model="up-m16"))
    calls = [
        asyncio.create_task(ask(small.url, key, question("m16")))
        for key in (sample.ALICE, sample.BOB)
        for _ in range(5)
    ]
    await upstream.wait("arrived", model="up-m16", count=earlier + 10)
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {sample.ALICE}\r\ncontent-length: 100000\r\n\r\n"
    )
    before = cpu_seconds([small.pid])
    for _ in range(REFUSALS):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(small.url.rpartition(":")[2]))
        writer.write(head.encode())
        assert b" 503 " in await reader.readline()  # not a byte of the body was sent
        writer.close()
    assert cpu_seconds([small.pid]) - before < served_s
    assert len(upstream.seen(model="up-m16")) == earlier + 10
    upstream.release(model="up-m16")
    assert [answer.status for answer in await asyncio.gather(*calls)] == [200] * 10
