"""A provider that hangs uses only its share of the gateway; other calls go to other deployments or are refused."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.books.money import settled
from tests.support.clients.raw_calls import ask, question
from tests.support.sample import ALICE, row
from tests.support.waiting import eventually

ROOM = 4
CROWD = 40
PATIENCE = {"first_byte": "30s", "idle": "30s"}


@pytest.fixture
def gateway(gateway_factory, upstream):
    """Return a gateway of which each endpoint and credential may take four calls."""
    return gateway_factory(
        {
            "server": {"max_inflight_per_endpoint": ROOM, "workers": 1},  # the room is one worker's
            "model_catalog": [
                row("hung", "up-hung", upstream.base_url, api_key="one", timeouts=PATIENCE),
                row("twin", "up-twin-a", upstream.base_url, deployment="twin-a", api_key="one"),
                row("twin", "up-twin-b", upstream.base_url, deployment="twin-b", api_key="two", priority=1),
                row("other", "up-other", upstream.base_url, api_key="two"),
            ],
        }
    )


async def test_hanging_provider_does_not_affect_the_others(gateway, upstream):
    upstream.script("up-hung", {"hold_before_head": True})
    crowd = [asyncio.create_task(ask(gateway.url, ALICE, question("hung"))) for _ in range(CROWD)]
    await upstream.wait("arrived", model="up-hung", count=ROOM)
    await eventually(
        lambda: sum(call.done() for call in crowd) + len(upstream.seen(model="up-hung")) == CROWD
    )
    held = len(upstream.seen(model="up-hung"))
    assert held == ROOM
    refused = [call.result() for call in crowd if call.done()]
    assert {(answer.status, answer.error["code"]) for answer in refused} == {(503, "no_deployment_available")}
    assert {answer.headers["retry-after"] for answer in refused} <= {"1", "2", "3"}

    others = [await ask(gateway.url, ALICE, question("other")) for _ in range(20)]
    assert [answer.body for answer in others if answer.status != 200] == []
    twin = await ask(gateway.url, ALICE, question("twin"))
    assert twin.headers["x-gateway-attempts"] == "1"
    assert twin.headers["x-gateway-deployment"] == "twin-b"
    async with gateway.client() as client:
        counted = f'gateway_shed_total{{reason="endpoint_full"}} {CROWD - held}.0'
        assert counted in (await client.get("/metrics")).text

    upstream.release(model="up-hung")
    assert [answer.status for answer in await asyncio.gather(*crowd)].count(200) == held
    upstream.script("up-hung", {})
    assert (await ask(gateway.url, ALICE, question("hung"))).status == 200
    await settled(gateway)
    told = "\n".join(gateway.manage("explain", twin.id))
    assert "Not to twin-a: full: as many calls as may be are in flight there." in told


async def test_a_full_endpoint_refuses_at_once_and_streams_count_until_their_end(gateway, upstream):
    upstream.script("up-hung", {"hold_after": 1})
    before = sum(call["head_sent"] for call in upstream.seen(model="up-hung"))
    streams = [
        asyncio.create_task(ask(gateway.url, ALICE, question("hung", stream=True))) for _ in range(ROOM)
    ]
    await upstream.wait("head", model="up-hung", count=before + ROOM)
    for _ in range(50):  # nothing queues: no place is free before the release
        assert (await ask(gateway.url, ALICE, question("hung"))).status == 503
    assert sum(call["head_sent"] for call in upstream.seen(model="up-hung")) == before + ROOM
    upstream.release(model="up-hung")
    assert all(answer.saw_the_end for answer in await asyncio.gather(*streams))
    upstream.script("up-hung", {})
    assert (await ask(gateway.url, ALICE, question("hung"))).status == 200


async def test_disconnect_releases_the_slot_of_the_bulkhead(gateway, upstream):
    upstream.script("up-hung", {"hold_before_head": True})
    before = upstream.seen(model="up-hung")
    calls = [asyncio.create_task(ask(gateway.url, ALICE, question("hung"))) for _ in range(ROOM)]
    await upstream.wait("arrived", model="up-hung", count=len(before) + ROOM)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    left = sum(call["closed_early"] for call in before) + ROOM
    await upstream.wait("closed", model="up-hung", count=left)
    upstream.script("up-hung", {})
    async with asyncio.timeout(10):
        while (await ask(gateway.url, ALICE, question("hung"))).status != 200:
            pass
