"""A deployment on trial gets calls once more: never answered from, never paid for by the caller."""

from __future__ import annotations

import asyncio

import pytest

from tests import town
from tests.ledger import committed, whole_ledger
from tests.media import data_url, png
from tests.money import samples, settled
from tests.raw_calls import ask, question
from tests.waiting import eventually

pytestmark = pytest.mark.both_modes

BUDGETED = "sk-frugal.frugal-secret"


@pytest.fixture
def tried(fresh_gateway, upstream):
    rows = [
        town.row("tried", "up-tried", upstream.base_url, deployment="real", priority=5),
        town.row("tried", "up-trial", upstream.base_url, deployment="trial", priority=0, shadow_percent=100),
        town.row("only", "up-only", upstream.base_url, deployment="trial", shadow_percent=50),
    ]
    keys = {"tenants": [{"name": "frugal-co"}], "api_keys": [town.key("frugal-co", BUDGETED, budget_usd=1)]}
    return fresh_gateway({"model_catalog": rows, "bootstrap": keys})


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answered_call_is_mirrored_at_the_operators_cost(tried, upstream, stream):
    before = len(upstream.seen(model="up-trial"))
    answer = await ask(tried.url, BUDGETED, question("tried", stream=stream))
    assert (answer.status, answer.headers["x-gateway-deployment"]) == (200, "real")
    await upstream.wait("ended", model="up-trial", count=before + 1)
    rows = {row["deployment"]: row for row in await whole_ledger(tried)}
    real, trial = rows["real"], rows["trial"]
    assert (real["tenant"], real["id"]) == ("frugal-co", answer.id)
    assert (trial["tenant"], trial["endpoint"], trial["status"]) == (
        "operator",
        f"shadow:{real['endpoint']}",
        "ok",
    )
    assert trial["cost_nanousd"] == real["cost_nanousd"] == 20_000
    after = await ask(tried.url, BUDGETED, question("tried"))
    assert after.headers["x-budget-spent-usd"].rstrip("0") == "0.00004"
    assert (await asyncio.to_thread(tried.manage, "reconcile"))[-1] == "Everything agrees."


async def test_a_broken_or_slow_trial_disturbs_nobody(tried, upstream):
    upstream.script("up-trial", {"kind": "status", "status": 500}, {"hold_before_head": True})
    answers = [await ask(tried.url, town.ALICE, question("tried")) for _ in range(8)]
    assert {answer.status for answer in answers} == {200}
    assert {answer.headers["x-gateway-attempts"] for answer in answers} == {"1"}
    tried.stop()
    rows = [row for row in committed(tried) if row["tenant"] == "operator"]
    assert {(row["status"], row["error_code"]) for row in rows} == {
        ("error", "upstream_error"),
        ("cancelled", "server_shutdown"),
    }


async def test_a_shadow_never_answers_even_when_there_is_nobody_else(tried):
    answer = await ask(tried.url, town.ALICE, question("only"))
    assert (answer.status, answer.error["code"]) == (503, "no_deployment_available")


async def counted(gateway, metric):
    """Return the samples of one metric that are not 0, by their labels."""
    found = await samples(gateway)
    return {
        name.removeprefix(metric): value for name, value in found.items() if name.startswith(metric) and value
    }


async def mirrors(gateway, count):
    await eventually(
        lambda: counted(gateway, "gateway_shadow_calls_total"), lambda found: sum(found.values()) >= count
    )


async def test_metrics_tell_what_became_of_mirrors_and_what_they_cost(tried, upstream):
    upstream.script("up-trial", {}, {"kind": "status", "status": 500}, {"end": "cut", "after": 2})
    for number in range(3):
        assert (await ask(tried.url, BUDGETED, question("tried", stream=True))).status == 200
        await mirrors(tried, number + 1)
    await settled(tried)
    ended = await counted(tried, "gateway_shadow_calls_total")
    assert ended == {
        f'{{deployment="trial",model="tried",status="{status}"}}': 1.0
        for status in ("ok", "error", "incomplete")
    }
    [(_, cost)] = (await counted(tried, "gateway_shadow_cost_usd_total")).items()
    rows = [row for row in await whole_ledger(tried) if row["tenant"] == "operator"]
    assert round(cost * 1e9) == sum(row["cost_nanousd"] for row in rows) > 0
    own = await counted(tried, "gateway_requests_total")
    assert sum(own.values()) == 3, "mirrors are not counted as calls of anybody"


async def test_what_is_not_mirrored_for_a_bound_is_counted(tried, upstream):
    upstream.script("up-trial", {"hold_before_head": True})
    picture = {"type": "image_url", "image_url": {"url": data_url(png(100, 100, 225_000))}}
    long = [{"role": "user", "content": [picture]}]
    assert (await ask(tried.url, town.ALICE, question("tried") | {"messages": long})).status == 200
    for _ in range(10):
        calls = [ask(tried.url, town.ALICE, question("tried")) for _ in range(16)]
        assert {answer.status for answer in await asyncio.gather(*calls)} == {200}
    dropped = await counted(tried, "gateway_shadow_dropped_total")
    assert dropped['{reason="body_too_large"}'] == 1
    assert dropped['{reason="queue_full"}'] >= 160 - 2 * (4 + 64)
    upstream.release(model="up-trial")
