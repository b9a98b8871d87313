"""An alias that splits its users: each user gets one arm, failover works, and the ledger has the arm of each call."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tests.support import sample
from tests.support.books.money import settled
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway, merged

pytestmark = pytest.mark.both_modes

ARMS = {"by": "user", "arms": {"ab-a": 50, "ab-b": 50}}


@pytest.fixture(scope="module")
def split(upstream, closed_port, tmp_path_factory):
    rows = [
        sample.row("ab", "up-ab-a", upstream.base_url, deployment="ab-a", priority=0, experiment=ARMS),
        sample.row("ab", "up-ab-b", upstream.base_url, deployment="ab-b", priority=1),
    ]
    config = merged(sample.config(upstream.base_url, closed_port), {"model_catalog": rows})
    with Gateway(config, tmp_path_factory.mktemp("split") / "data") as server:
        yield server


async def deployments(gateway, users, **headers):
    answers = [
        await ask(gateway.url, sample.ALICE, question("ab", user=user), headers=headers) for user in users
    ]
    return [answer.headers["x-gateway-deployment"] for answer in answers]


def arms_of(gateway):
    script = (
        "from datetime import datetime, UTC; from metering.reports.experiments import results; "
        "print([(a.name, a.calls, a.failed, a.cost_nanousd) for a in results('ab', datetime(2020,1,1,tzinfo=UTC), "
        "datetime(2100,1,1,tzinfo=UTC))])"
    )
    return gateway.manage("shell", "-v", "0", "-c", script)[-1]


async def test_a_user_always_meets_the_same_arm_and_each_arm_has_its_results(split, upstream):
    users = [f"user-{number}" for number in range(24)]
    first = await deployments(split, users)
    assert await deployments(split, users) == first
    counts = Counter(first)
    assert set(counts) == {"ab-a", "ab-b"}
    expected = [(name, 2 * counts[name], 0, 2 * counts[name] * 20_000) for name in ("ab-a", "ab-b")]
    await settled(split)
    assert await asyncio.to_thread(arms_of, split) == str(expected)


async def test_a_broken_arm_fails_over_and_hints_step_out(split, upstream):
    users = [f"user-{number}" for number in range(8)]
    upstream.script("up-ab-b", {"kind": "status", "status": 503})
    assert set(await deployments(split, users)) == {"ab-a"}
    assert set(await deployments(split, users, **{"x-gateway-route": "only=ab-a"})) == {"ab-a"}
