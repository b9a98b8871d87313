"""K1: exactly one cap goes upstream where a limit needs it, and the hold covers it; elsewhere none is added."""

from __future__ import annotations

import json

import pytest

from tests.support import sample
from tests.support.books.money import limit_status, nanousd, settled
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway

CENT = "sk-cent.cent-secret"  # a budget of one cent: 5,000 tokens of output
RATED = "sk-rated.rated-secret"  # tokens a minute, no budget that could be used up
FREE = "sk-free.free-secret"


@pytest.fixture(scope="module")
def gateway(upstream, tmp_path_factory):
    def row(alias, **more):
        found = sample.row(alias, f"up-cap-{alias}", upstream.base_url, **more)
        return {name: value for name, value in found.items() if value is not None}

    unpriced = {"price_input": None, "price_output": None, "price_per": None}
    config = {
        **sample.NO_LIMITS,
        "server": {"workers": 1},  # each worker finds out a provider's names by itself
        "model_catalog": [
            row("known", max_output_tokens=100),
            row("unknown", max_output_tokens=None),
            row("reasoner", max_output_tokens=100),
            row("old", provider="openai", max_output_tokens=100),
            row("present", free=True, **unpriced),
        ],
        "bootstrap": {
            "tenants": [{"name": "cent"}, {"name": "rated"}, {"name": "free"}],
            "api_keys": [
                sample.key("cent", CENT),
                sample.key("rated", RATED, rate_limit={"tokens_per_minute": 1_000_000}),
                sample.key("free", FREE),
            ],
            "tenant_budgets": [{"tenant": "cent", "budget_usd": 0.01}],
        },
    }
    with Gateway(config, tmp_path_factory.mktemp("caps") / "data") as server:
        yield server


async def sent(gateway, upstream, key, body, status=200):
    answer = await ask(gateway.url, key, body)
    assert answer.status == status, answer.body
    seen = upstream.seen(call=answer.id)
    return answer, [json.loads(each["body"]) for each in seen]


def caps(body):
    return {
        name: value for name, value in body.items() if "max" in name or "predict" in name or "new_tok" in name
    }


@pytest.mark.parametrize(
    ("given", "cap"),
    [
        ({}, 100),  # M2: the known maximum is sent
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 7}, 7),
        ({"n_predict": 7}, 7),
        ({"max_new_tokens": 7, "max_tokens": 7}, 7),
        ({"max_tokens": 5_000}, 100),
    ],
)
async def test_one_cap_reaches_the_provider_under_its_own_name(gateway, upstream, given, cap):
    answer, [body] = await sent(gateway, upstream, CENT, question("known", **given))
    assert caps(body) == {"max_tokens": cap}
    is_ours = next(iter(given.values()), 10_000) > cap
    assert answer.headers.get("x-gateway-max-tokens") == ("100" if is_ours else None)


async def test_an_unknown_maximum_is_capped_and_reported(gateway, upstream):
    answer, [body] = await sent(gateway, upstream, CENT, question("unknown"))
    assert caps(body) == {"max_tokens": 4096}
    assert answer.headers["x-gateway-max-tokens"] == "4096"


async def test_token_rate_limit_without_budget_sends_the_cap_too(gateway, upstream):
    _, [body] = await sent(gateway, upstream, RATED, question("present"))
    assert caps(body) == {"max_tokens": 1024}


@pytest.mark.parametrize(
    "given", [{}, {"max_tokens": 3}, {"n_predict": 3, "min_tokens": 1, "options": {"x": 1}}]
)
async def test_request_is_unchanged_without_budget_and_token_limit(gateway, upstream, given):
    asked = question("present", **given)  # B10
    answer, [body] = await sent(gateway, upstream, FREE, asked)
    assert {**body, "model": "present"} == asked
    assert "x-gateway-max-tokens" not in answer.headers


@pytest.mark.parametrize(
    "given",
    [
        {"max_tokens": 1, "max_completion_tokens": 50_000},  # M1
        {"max_tokens": 1, "n_predict": 50_000},  # A2
        {"max_tokens": 1, "min_tokens": 50_000},  # A2
        {"max_tokens": 1, "MAX_TOKENS": 50_000},  # A2
        {"max_tokens": 1, "options": {"num_predict": 50_000}},
        {"max_tokens": 1, "extra_body": {"max_tokens": 50_000}},
        {"max_tokens": 1, "ignore_eos": True},
    ],
)
async def test_ambiguous_cap_is_refused_and_costs_nothing(gateway, upstream, given):
    before = await limit_status(gateway, CENT)
    answer, seen = await sent(gateway, upstream, CENT, question("known", **given), status=400)
    assert seen == []
    assert answer.error["param"] in given
    assert await limit_status(gateway, CENT) == before


async def test_provider_that_refuses_the_caps_name_gets_the_other_name_from_then_on(gateway, upstream):
    """B10: as reasoning models refuse max_tokens."""
    refusal = {
        "error": {"message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'.", "code": "x"}
    }
    upstream.script("up-cap-reasoner", {"kind": "status", "status": 400, "body": refusal}, {})
    answer, bodies = await sent(gateway, upstream, CENT, question("reasoner"))
    assert [caps(body) for body in bodies] == [{"max_tokens": 100}, {"max_completion_tokens": 100}]
    assert answer.headers["x-gateway-attempts"] == "2"
    _, again = await sent(gateway, upstream, CENT, question("reasoner", max_tokens=5))
    assert [caps(body) for body in again] == [{"max_completion_tokens": 5}]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (422, "body.max_completion_tokens: Extra inputs are not permitted"),
        (400, "Unrecognized request argument supplied: max_completion_tokens"),
    ],
)
async def test_other_wordings_of_that_refusal_are_recognised(gateway_factory, upstream, status, message):
    model = f"up-cap-words-{status}"
    upstream.script(model, {"kind": "status", "status": status, "body": {"error": {"message": message}}}, {})
    config = {"model_catalog": [sample.row("words", model, upstream.base_url, provider="openai")]}
    gateway = gateway_factory(config)
    _, bodies = await sent(gateway, upstream, sample.ALICE, question("words"))
    assert [list(caps(body)) for body in bodies] == [["max_completion_tokens"], ["max_tokens"]]


async def test_refusal_of_another_member_is_passed_to_the_client(gateway, upstream):
    upstream.script(
        "up-cap-old",
        {"kind": "status", "status": 400, "body": {"error": {"message": "temperature is too hot"}}},
    )
    _, bodies = await sent(gateway, upstream, CENT, question("old"), status=400)
    assert len(bodies) == 1


async def test_usage_above_the_cap_is_disputed_and_not_charged(gateway, upstream):
    """M8: 4,000 tokens for a cap of 10."""
    upstream.script("up-cap-known", {"chunks": 4000, "ignore_cap": True})
    before = await limit_status(gateway, CENT)
    for stream in (False, True):
        answer = await ask(gateway.url, CENT, question("known", max_tokens=10, stream=stream))
        assert answer.status == 200
        if not stream:
            assert answer.json["usage"]["completion_tokens"] == 4000
            assert nanousd(answer.headers["x-gateway-cost-usd"]) == 10_000 + 10 * 2_000
    await settled(gateway)
    after = await limit_status(gateway, CENT)
    assert after["spent"] - before["spent"] <= 2 * (10_000 + 10 * 2_000) + 20 * 1_000
    gateway.manage("reconcile")


async def test_explain_names_the_disputed_amount(gateway, upstream):
    upstream.script("up-cap-known", {"chunks": 4000, "ignore_cap": True})
    answer = await ask(gateway.url, CENT, question("known", max_tokens=1))
    await settled(gateway)
    told = " ".join(gateway.manage("explain", answer.id))
    assert "The provider reported 0.007998 USD more than it was allowed to: that is the operator's." in told


async def test_storage_at_the_provider_is_refused_with_zero_retention(gateway_factory):
    gateway = gateway_factory({"retention": {"zero_retention": True}})
    for value, status in ((True, 400), (False, 200), (None, 200)):
        answer = await ask(gateway.url, sample.ALICE, question("chat", store=value))
        assert answer.status == status
    answer = await ask(gateway.url, sample.ALICE, question("chat", prompt_cache_retention="24h"))
    assert (answer.status, answer.error["param"]) == (400, "prompt_cache_retention")
