"""A deployment breaks, is in cooldown, is probed by one call at a time, and comes back slowly to its full share.

The ramp takes ten seconds of real time, so both stories happen at once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import NamedTuple

import pytest

from tests.support import sample
from tests.support.clients.raw_calls import RawAnswer, ask, question
from tests.support.sample import ALICE, row
from tests.support.servers.gateway import Gateway, merged
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_modes

BROKEN = {"kind": "status", "status": 500}
SLOTS = 60
RAMP_S = 10.0
PACE_S = 0.3  # between two looks at what takes the whole ramp
PATIENCE = {"first_byte": "30s"}


@pytest.fixture(scope="module")
def recovering(upstream, closed_port, tmp_path_factory):
    config = merged(
        sample.config(upstream.base_url, closed_port),
        {
            "server": {"max_inflight": SLOTS},
            "health": {"cooldown": "2s"},
            "model_catalog": [
                row("twins", "up-rec-a", upstream.base_url, deployment="rec-a"),
                row("twins", "up-rec-b", upstream.base_url, deployment="rec-b"),
                row("sole", "up-rec-sole", upstream.base_url, deployment="rec-sole", timeouts=PATIENCE),
            ],
        },
    )
    with Gateway(config, tmp_path_factory.mktemp("recovering") / "data") as server:
        yield server


async def state_of(client, deployment):
    metrics = (await client.get("/metrics")).text
    [line] = [each for each in metrics.splitlines() if f'state{{deployment="{deployment}"}}' in each]
    return float(line.rpartition(" ")[2])


async def call(gateway, model):
    return await ask(gateway.url, ALICE, question(model))


async def call_until(gateway, model, deployment, state):
    """Send calls until the deployment is in that state; return which deployments answered."""
    met: Counter[str] = Counter()

    async with gateway.client() as client:

        async def asked():
            answer = await call(gateway, model)
            met[answer.headers.get("x-gateway-deployment", "") if answer.status == 200 else "none"] += 1
            return await state_of(client, deployment)

        await eventually(asked, lambda found: found == state, within_s=RAMP_S + 60, longest_pause_s=PACE_S)
    return met


async def test_a_deployment_recovers_alone_and_beside_another(recovering, upstream):
    async with asyncio.TaskGroup() as stories:
        stories.create_task(it_opens_is_probed_ramps_and_recovers_and_no_client_notices(recovering, upstream))
        stories.create_task(a_herd_that_waits_for_a_sole_deployment_is_let_in_slowly(recovering, upstream))


async def it_opens_is_probed_ramps_and_recovers_and_no_client_notices(recovering, upstream):
    upstream.script("up-rec-a", BROKEN)
    met = await call_until(recovering, "twins", "rec-a", 0.0)
    assert set(met) <= {"rec-b"}
    failed = len(upstream.seen(model="up-rec-a"))
    assert failed >= 5
    for _ in range(30):  # at rest: no call goes there, but for a probe when the rest is over
        answer = await call(recovering, "twins")
        assert answer.headers["x-gateway-deployment"] == "rec-b"
        was_probe = answer.headers["x-gateway-attempts"] == "2"
        failed += was_probe
    assert len(upstream.seen(model="up-rec-a")) == failed

    upstream.script("up-rec-a", {})

    async with recovering.client() as client:

        async def served():
            assert (await call(recovering, "twins")).status == 200
            return await state_of(client, "rec-a")

        await eventually(served, lambda found: found != 0.0)
    # How its share grows is a matter of the clock: tests/unit/providers/resilience/test_circuit_breaker.py and
    # test_health.py.
    late = await call_until(recovering, "twins", "rec-a", 1.0)
    assert late["rec-a"] > 0
    assert "none" not in late
    whole = Counter([(await call(recovering, "twins")).headers["x-gateway-deployment"] for _ in range(60)])
    assert 12 <= whole["rec-a"] <= 48


class Herd(NamedTuple):
    """How many of those that waited were let in, and what the others got."""

    admitted: int
    refused: list[RawAnswer]


async def herd_after_a_recovery(gateway, upstream):
    """Break the sole deployment, let it serve again, and come in numbers before its ramp is over."""
    upstream.script("up-rec-sole", BROKEN)
    await call_until(gateway, "sole", "rec-sole", 0.0)
    upstream.script("up-rec-sole", {})
    for _ in range(3):  # good probes
        await eventually(lambda: call(gateway, "sole"), lambda answer: answer.status == 200)

    upstream.script("up-rec-sole", {"hold_before_head": True})
    before = len(upstream.seen(model="up-rec-sole"))
    herd = [asyncio.create_task(call(gateway, "sole")) for _ in range(SLOTS - 10)]
    await eventually(
        lambda: sum(t.done() for t in herd) + len(upstream.seen(model="up-rec-sole")),
        lambda settled: settled == len(herd) + before,
    )
    admitted = len(upstream.seen(model="up-rec-sole")) - before
    refused = [task.result() for task in herd if task.done()]
    upstream.script("up-rec-sole", {})
    upstream.release(model="up-rec-sole")
    assert [answer.status for answer in await asyncio.gather(*herd)].count(200) == admitted
    return Herd(admitted, refused)


async def a_herd_that_waits_for_a_sole_deployment_is_let_in_slowly(recovering, upstream):
    """How many when: tests/unit/providers/resilience/test_health.py. On a slow machine: again."""
    herd = await eventually(
        lambda: herd_after_a_recovery(recovering, upstream), lambda herd: herd.refused, within_s=90
    )
    assert herd.admitted >= 1
    said = {(answer.status, answer.error["code"]) for answer in herd.refused}
    assert said == {(503, "no_deployment_available")}
    await call_until(recovering, "sole", "rec-sole", 1.0)
