"""A deployment on trial gets copies of calls: it never answers clients, and the caller never pays for it."""

from __future__ import annotations

import asyncio

import pytest

from tests.support import sample
from tests.support.books.ledger import committed, whole_ledger
from tests.support.books.money import samples, settled
from tests.support.clients.media import data_url, png
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway, merged
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_modes

KEYS = {
    is_stream: f"sk-frugal{is_stream:d}.frugal-secret" for is_stream in (False, True)
}  # each with a budget
ALIASES = ("tried", "measured", "hindered", "bounded")


def on_trial(alias, endpoint):
    """Return a deployment that answers, and one on trial that gets a copy of every call."""
    return [
        sample.row(alias, f"up-{alias}", endpoint, deployment="real", priority=5),
        sample.row(alias, f"up-{alias}-trial", endpoint, deployment="trial", priority=0, shadow_percent=100),
    ]


@pytest.fixture(scope="module")
def gateway_with_shadow(upstream, closed_port, tmp_path_factory):
    rows = [
        *(row for alias in ALIASES for row in on_trial(alias, upstream.base_url)),
        sample.row("only", "up-only", upstream.base_url, deployment="trial", shadow_percent=50),
    ]
    keys = [sample.key("frugal-co", key, budget_usd=1) for key in KEYS.values()]
    plan = {"model_catalog": rows, "bootstrap": {"tenants": [{"name": "frugal-co"}], "api_keys": keys}}
    config = merged(sample.config(upstream.base_url, closed_port), plan)
    with Gateway(config, tmp_path_factory.mktemp("tried") / "data") as server:
        yield server


async def test_an_answered_call_is_mirrored_at_the_operators_cost(gateway_with_shadow, upstream):
    for stream, key in KEYS.items():
        known = {row["id"] for row in await whole_ledger(gateway_with_shadow)}
        before = len(upstream.seen(model="up-tried-trial"))
        answer = await ask(gateway_with_shadow.url, key, question("tried", stream=stream))
        assert (answer.status, answer.headers["x-gateway-deployment"]) == (200, "real")
        await upstream.wait("ended", model="up-tried-trial", count=before + 1)
        rows = {
            row["deployment"]: row
            for row in await whole_ledger(gateway_with_shadow)
            if row["id"] not in known
        }
        real, trial = rows["real"], rows["trial"]
        assert (real["tenant"], real["id"]) == ("frugal-co", answer.id)
        assert (trial["tenant"], trial["endpoint"], trial["status"]) == (
            "operator",
            f"shadow:{real['endpoint']}",
            "ok",
        )
        assert trial["cost_nanousd"] == real["cost_nanousd"] == 20_000
        after = await ask(gateway_with_shadow.url, key, question("tried"))
        assert after.headers["x-budget-spent-usd"].rstrip("0") == "0.00004"
        await upstream.wait("ended", model="up-tried-trial", count=before + 2)
    assert (await asyncio.to_thread(gateway_with_shadow.manage, "reconcile"))[-1] == "Everything agrees."


async def test_a_shadow_never_answers_even_as_the_only_deployment(gateway_with_shadow):
    answer = await ask(gateway_with_shadow.url, sample.ALICE, question("only"))
    assert (answer.status, answer.error["code"]) == (503, "no_deployment_available")


async def counted(gateway, metric, alias=""):
    """Return the samples of one metric, of one alias if given, that are not 0, by their labels."""
    found = await samples(gateway)
    return {
        name.removeprefix(metric): value
        for name, value in found.items()
        if name.startswith(metric) and value and (not alias or f'model="{alias}"' in name)
    }


async def mirrors(gateway, count):
    await eventually(
        lambda: counted(gateway, "gateway_shadow_calls_total", "measured"),
        lambda found: sum(found.values()) >= count,
    )


async def test_metrics_count_mirror_outcomes_and_costs(gateway_with_shadow, upstream):
    upstream.script("up-measured-trial", {}, {"kind": "status", "status": 500}, {"end": "cut", "after": 2})
    for number in range(3):
        assert (
            await ask(gateway_with_shadow.url, sample.ALICE, question("measured", stream=True))
        ).status == 200
        await mirrors(gateway_with_shadow, number + 1)
    await settled(gateway_with_shadow)
    ended = await counted(gateway_with_shadow, "gateway_shadow_calls_total", "measured")
    assert ended == {
        f'{{deployment="trial",model="measured",status="{status}"}}': 1.0
        for status in ("ok", "error", "incomplete")
    }
    [(_, cost)] = (await counted(gateway_with_shadow, "gateway_shadow_cost_usd_total", "measured")).items()
    rows = [
        row
        for row in await whole_ledger(gateway_with_shadow)
        if (row["tenant"], row["model"]) == ("operator", "measured")
    ]
    assert round(cost * 1e9) == sum(row["cost_nanousd"] for row in rows) > 0
    own = await counted(gateway_with_shadow, "gateway_requests_total", "measured")
    assert sum(own.values()) == 3, "mirrors are not counted as calls of a tenant"


async def test_a_broken_or_slow_shadow_delays_no_call_and_skipped_mirrors_are_counted(
    gateway_with_shadow, upstream
):
    upstream.script("up-hindered-trial", {"kind": "status", "status": 500}, {"hold_before_head": True})
    answers = [await ask(gateway_with_shadow.url, sample.ALICE, question("hindered")) for _ in range(8)]
    assert {answer.status for answer in answers} == {200}
    assert {answer.headers["x-gateway-attempts"] for answer in answers} == {"1"}

    upstream.script("up-bounded-trial", {"hold_before_head": True})
    picture = {"type": "image_url", "image_url": {"url": data_url(png(100, 100, 225_000))}}
    long = [{"role": "user", "content": [picture]}]
    assert (
        await ask(gateway_with_shadow.url, sample.ALICE, question("bounded") | {"messages": long})
    ).status == 200
    for _ in range(10):
        calls = [ask(gateway_with_shadow.url, sample.ALICE, question("bounded")) for _ in range(16)]
        assert {answer.status for answer in await asyncio.gather(*calls)} == {200}
    dropped = await counted(gateway_with_shadow, "gateway_shadow_dropped_total")
    assert dropped['{reason="body_too_large"}'] == 1
    assert dropped['{reason="queue_full"}'] >= 160 - 2 * (4 + 64)

    gateway_with_shadow.stop()
    rows = [
        row
        for row in committed(gateway_with_shadow)
        if (row["tenant"], row["model"]) == ("operator", "hindered")
    ]
    assert {(row["status"], row["error_code"]) for row in rows} == {
        ("error", "upstream_error"),
        ("cancelled", "server_shutdown"),
    }
