"""Fallbacks to other aliases for each reason: which one answers, what it costs, and which is never used."""

from __future__ import annotations

import pytest

from tests.support import sample
from tests.support.books.ledger import row_of
from tests.support.books.money import nanousd
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_modes

FREE, BOUND, HOUSED = (f"sk-{name}.{name}-secret" for name in ("free", "bound", "housed"))
FAST = ["fast", "filtered", "short"]
LONG = [{"role": "user", "content": "one two three " * 100}]
REFUSED = {"message": "no", "type": "invalid_request_error", "param": None}
CASES = {  # alias asked for, reason, how its provider behaves, messages
    "unavailable": ("fast", "unavailable", {"kind": "status", "status": 503}, None),
    "too long as estimated": ("short", "context_window", {}, LONG),
    "too long as the provider says": (
        "fast",
        "context_window",
        {"kind": "status", "status": 400, "body": {"error": REFUSED | {"code": "context_length_exceeded"}}},
        None,
    ),
    "filtered": (
        "filtered",
        "content_filter",
        {"kind": "status", "status": 400, "body": {"error": REFUSED | {"code": "content_filter"}}},
        None,
    ),
}
OTHERS = {"unavailable": "steady", "context_window": "long", "content_filter": "mild"}
PRICES = {"steady": (3_000, 6_000), "long": (5_000, 10_000), "mild": (7_000, 14_000)}


def config(endpoint):
    dearer = {
        alias: {"price_input": cost_in / 1000, "price_output": cost_out / 1000}
        for alias, (cost_in, cost_out) in PRICES.items()
    }
    every = {reason: [alias] for reason, alias in OTHERS.items()}
    return {
        **sample.NO_LIMITS,
        "model_catalog": [
            sample.row("fast", "up-fb-fast", endpoint, deployment="fast-1", fallbacks=every),
            sample.row("filtered", "up-fb-filtered", endpoint, deployment="filtered-1", fallbacks=every),
            sample.row("short", "up-fb-short", endpoint, context_window=50, fallbacks=every),
            *(
                sample.row(
                    "wide", f"up-fb-wide-{name}", endpoint, deployment=f"wide-{name}", fallbacks=["steady"]
                )
                for name in "abcd"
            ),
            *(sample.row(a, f"up-fb-{a}", endpoint, deployment=f"{a}-1", **dearer[a]) for a in PRICES),
        ],
        "bootstrap": {
            "tenants": [{"name": "free-co"}, {"name": "housed-co", "models": FAST}],
            "api_keys": [
                sample.key("free-co", FREE),
                sample.key("free-co", BOUND, models=FAST),
                sample.key("housed-co", HOUSED),
            ],
        },
    }


@pytest.fixture(scope="module")
def gateway(upstream, tmp_path_factory):
    with Gateway(config(upstream.base_url), tmp_path_factory.mktemp("fallbacks") / "data") as server:
        yield server


@pytest.fixture(params=CASES)
def case(request, upstream):
    alias, reason, behavior, messages = CASES[request.param]
    upstream.script(f"up-fb-{alias}", behavior)
    yield alias, reason, messages or question(alias)["messages"]
    upstream.script(f"up-fb-{alias}", {})


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
async def test_a_fallback_alias_answers_is_named_and_is_billed(gateway, upstream, case, stream):
    alias, reason, messages = case
    other = OTHERS[reason]
    answer = await ask(gateway.url, FREE, question(alias, stream=stream) | {"messages": messages})
    assert answer.saw_the_end
    said = [answer.headers[f"x-gateway-{name}"] for name in ("model", "fallback", "deployment")]
    assert said == [other, reason, f"{other}-1"]
    assert f'"model":"{alias}"'.encode() in answer.body.replace(b'": "', b'":"'), "as it was asked for"

    row = await row_of(gateway, answer.id)
    assert (row["model"], row["deployment"], row["status"]) == (alias, f"{other}-1", "ok")
    price_in, price_out = PRICES[other]
    assert row["cost_nanousd"] == row["input_tokens"] * price_in + row["output_tokens"] * price_out > 0
    if not stream:
        assert nanousd(answer.headers["x-gateway-cost-usd"]) == row["cost_nanousd"]
    assert upstream.seen(model=f"up-fb-{other}", call=answer.id), "the provider was asked for the other model"


@pytest.mark.parametrize("key", [BOUND, HOUSED], ids=["of the key", "of the tenant"])
async def test_an_alias_outside_the_allow_list_is_never_asked(gateway, upstream, case, key):
    alias, reason, messages = case
    answer = await ask(gateway.url, key, question(alias) | {"messages": messages})
    assert answer.status in {400, 502, 503}
    assert "x-gateway-fallback" not in answer.headers
    assert not upstream.seen(model=f"up-fb-{OTHERS[reason]}", call=answer.id)
    report = await ask(
        gateway.url, key, question(alias) | {"messages": messages}, path="/v1/gateway/simulate"
    )
    assert OTHERS[reason] not in str(
        [(report.json["route"] or {}).get(name) for name in ("deployments", "instead")]
    )


async def test_each_reason_has_its_own_alias_and_no_other_refusal_is_one(gateway, upstream):
    wrong = {"kind": "status", "status": 400, "body": {"error": REFUSED | {"code": "invalid_value"}}}
    upstream.script("up-fb-fast", wrong)
    answer = await ask(gateway.url, FREE, question("fast"))
    assert (answer.status, answer.error["code"]) == (400, "invalid_value")
    assert "x-gateway-fallback" not in answer.headers
    upstream.script("up-fb-fast", {})
    plain = await ask(gateway.url, FREE, question("fast"))
    assert (plain.status, plain.headers["x-gateway-deployment"]) == (200, "fast-1")
    assert not {"x-gateway-model", "x-gateway-fallback"} & plain.headers.keys()


async def test_fallback_alias_has_its_own_attempt_after_any_number_of_failures(gateway, upstream):
    for name in "abcd":
        upstream.script(f"up-fb-wide-{name}", {"kind": "status", "status": 503})
    answer = await ask(gateway.url, FREE, question("wide"))
    assert (answer.status, answer.headers["x-gateway-model"]) == (200, "steady")
    assert answer.headers["x-gateway-attempts"] == "4", "three of its own, as ever, and one of another alias"


async def test_an_administrators_removal_of_the_other_alias_leaves_only_that_out(gateway, upstream):
    """The last test here: the others need that alias."""
    gateway.manage(
        "shell",
        "-v",
        "0",
        "-c",
        "from catalog.models import Model; from tenants.config_version import bump_version; "
        "Model.objects.filter(alias='steady').update(removed=True, edited=True); bump_version()",
    )
    async with gateway.client() as client:
        ready = await eventually(lambda: client.get("/readyz"), lambda answer: answer.json()["problems"])
        metrics = (await client.get("/metrics")).text
    assert ready.status_code == 200
    assert ready.json()["problems"][0] == {
        "alias": "fast",
        "deployment": "",
        "reason": "Its fallback steady (unavailable) is left out: there is no such model.",
    }
    assert 'gateway_deployment_state{deployment=""}' not in metrics
    upstream.script("up-fb-fast", CASES["unavailable"][2])
    answer = await eventually(  # another worker may receive it a moment later
        lambda: ask(gateway.url, FREE, question("fast")), lambda answer: answer.status != 200
    )
    assert answer.status in {502, 503}
    upstream.script("up-fb-fast", CASES["filtered"][2])
    answer = await eventually(  # what failed before is left alone for a moment
        lambda: ask(gateway.url, FREE, question("fast")), lambda answer: answer.status == 200
    )
    assert answer.headers["x-gateway-fallback"] == "content_filter"
    upstream.script("up-fb-fast", {})
