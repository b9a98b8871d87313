"""A deployment on trial gets calls once more: never answered from, never paid for by the caller."""

from __future__ import annotations

import asyncio

import pytest

from tests import town
from tests.raw_calls import ask, question

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
    rows = {row["deployment"]: row for row in await asyncio.to_thread(tried.ledger)}
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
    rows = [row for row in await asyncio.to_thread(tried.ledger) if row["tenant"] == "operator"]
    assert {(row["status"], row["error_code"]) for row in rows} == {
        ("error", "upstream_error"),
        ("cancelled", "server_shutdown"),
    }


async def test_a_shadow_never_answers_even_when_there_is_nobody_else(tried):
    answer = await ask(tried.url, town.ALICE, question("only"))
    assert (answer.status, answer.error["code"]) == (503, "no_deployment_available")
