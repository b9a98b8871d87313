"""What a budget's refusal contains, what a budget does instead, and which of several budgets refuses."""

from __future__ import annotations

import pytest

from tests.support import sample
from tests.support.books.ledger import whole_ledger
from tests.support.books.money import limit_status, nanousd, samples, settled, windows
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway

pytestmark = pytest.mark.both_modes

WEEKLY = "sk-weekly.weekly-secret"
KEYED = "sk-keyed.keyed-secret"
CLAMPED = "sk-clamped.clamped-secret"
POOR = "sk-poor.poor-secret"
FRUGAL = "sk-frugal.frugal-secret"
LIAR = "sk-liar.liar-secret"
CENT = {"price_input": 0, "price_output": 0, "pricing": {"request": 0.01}}
UNPRICED = {"price_input": None, "price_output": None, "price_per": None}


def config(endpoint):
    def row(alias, **more):
        found = sample.row(alias, f"up-money-{more.get('deployment', alias)}", endpoint) | more
        return {name: value for name, value in found.items() if value is not None}

    budgets = [
        {"tenant": "weekly", "budget_usd": 0.05, "refresh_schedule": "weekly"},
        {"tenant": "weekly", "budget_usd": 0.09, "refresh_schedule": "calendar_month"},
        {"tenant": "keyed", "budget_usd": 0.05},
        {"tenant": "clamped", "budget_usd": 0.0005, "on_insufficient": "clamp"},
        {"tenant": "poor", "budget_usd": 0.000001},
        {"tenant": "frugal", "budget_usd": 0.0005},
        {"tenant": "liar", "budget_usd": 1},
    ]
    names = [budget["tenant"] for budget in budgets]
    keys = (WEEKLY, CLAMPED, POOR, FRUGAL, LIAR)
    return {
        **sample.NO_LIMITS,
        "model_catalog": [
            row("cent", **CENT),
            row("words"),
            row("counted", provider_model="gpt-4o-up-money"),
            row("present", free=True, **UNPRICED),
            row("secret", **UNPRICED),
            row("two", deployment="cheap", price_output=0.1),
            row("two", deployment="dear", price_output=50.0, priority=1),
        ],
        "bootstrap": {
            "tenants": [{"name": name} for name in dict.fromkeys(names)],
            "api_keys": [
                *(sample.key(key[3:].partition(".")[0], key) for key in keys),
                sample.key("keyed", KEYED, budget_usd=0.02),
            ],
            "tenant_budgets": budgets,
        },
    }


@pytest.fixture(scope="module")
def gateway(upstream, tmp_path_factory):
    with Gateway(config(upstream.base_url), tmp_path_factory.mktemp("refusals") / "data") as server:
        yield server


async def spend_all(gateway, key, body):
    """Ask until refused; return how many calls were served, and the refusal."""
    for served in range(1000):
        answer = await ask(gateway.url, key, body)
        if answer.status != 200:
            return served, answer
    raise AssertionError("no end to this budget")


async def test_the_tighter_of_two_budgets_refuses_and_is_named(gateway):
    served, refusal = await spend_all(gateway, WEEKLY, question("cent"))
    assert served == 5
    budget = refusal.error["budget"]
    assert (budget["scope"], budget["schedule"], budget["limit_usd"]) == ("tenant", "weekly", "0.05")
    assert refusal.headers["x-budget-limit-usd"] == "0.05"
    assert refusal.headers["x-budget-resets-at"] == budget["resets_at"]
    assert refusal.headers["x-budget-exceeded"] == "true"
    await settled(gateway)
    assert windows(gateway)["tenant", "weekly"] == nanousd("0.05")


async def test_a_key_with_a_budget_of_its_own_ends_before_its_tenant(gateway):
    served, refusal = await spend_all(gateway, KEYED, question("cent"))
    assert served == 2
    assert refusal.error["budget"]["scope"] == "key"
    assert refusal.error["budget"]["spent_usd"] == "0.02"
    assert "$0.02" in refusal.error["message"]


async def test_a_budget_that_clamps_lowers_the_cap_to_what_the_money_buys(gateway, upstream):
    upstream.script("up-money-words", {"chunks": 1000})
    answer = await ask(gateway.url, CLAMPED, question("words", max_tokens=900))
    assert answer.status == 200
    cap = int(answer.headers["x-gateway-clamped-max-tokens"])
    assert 0 < cap < 900
    assert answer.json["usage"]["completion_tokens"] == cap
    [seen] = upstream.seen(call=answer.id)
    assert f'"max_tokens":{cap}' in seen["body"].replace(" ", "")
    spent = await limit_status(gateway, CLAMPED)
    assert spent["spent"] <= spent["limit"]
    assert nanousd(answer.headers["x-gateway-cost-usd"]) == 10_000 + cap * 2_000


async def test_a_budget_too_small_for_one_token_refuses_the_call(gateway):
    answer = await ask(gateway.url, POOR, question("words"))
    assert (answer.status, answer.error["code"]) == (429, "insufficient_quota")
    assert nanousd(answer.error["budget"]["needed_usd"]) > nanousd(answer.error["budget"]["limit_usd"])


async def test_a_long_prompt_is_counted_before_it_is_refused(gateway):
    word = "incomprehensibilities "  # 22 bytes, and few tokens
    body = question("counted", max_tokens=10)
    body["messages"][0]["content"] = word * 40
    answer = await ask(gateway.url, FRUGAL, body)  # 900 bytes as tokens would be more than the whole budget
    assert answer.status == 200
    assert "for its prompt as counted" in " ".join(gateway.manage("explain", answer.id))


async def test_with_an_unknown_tokenizer_the_bytes_are_the_estimate(gateway):
    body = question("words", max_tokens=10)
    body["messages"][0]["content"] = "incomprehensibilities " * 40
    answer = await ask(gateway.url, FRUGAL, body)
    assert (answer.status, answer.error["code"]) == (429, "insufficient_quota")


async def test_a_model_without_a_price_is_refused_with_a_hint(gateway, upstream):
    answer = await ask(gateway.url, POOR, question("secret"))
    assert (answer.status, answer.error["code"]) == (403, "model_unpriced")
    assert "free: true" in answer.error["message"]
    assert upstream.seen(model="up-money-secret") == []


async def test_free_model_is_served_with_an_exhausted_budget(gateway):
    answer = await ask(gateway.url, POOR, question("present"))
    assert answer.status == 200
    assert answer.headers["x-gateway-cost-usd"] == "0.00"


async def test_hold_covers_the_dearest_deployment_of_a_failover(gateway):
    answer = await ask(gateway.url, FRUGAL, question("two", max_tokens=20))
    assert answer.status == 429
    assert nanousd(answer.error["budget"]["needed_usd"]) >= 20 * 50_000


async def test_what_a_provider_charges_above_the_cap_is_disputed_and_not_billed(gateway, upstream):
    upstream.script("up-money-words", {"chunks": 2000, "ignore_cap": True})
    before = await samples(gateway)
    answer = await ask(gateway.url, LIAR, question("words", max_tokens=1))
    after = await samples(gateway)
    overshoot = "gateway_budget_overshoot_usd_total"
    disputed = 'gateway_disputed_usd_total{deployment="words-1",provider="openai-compatible"}'
    assert answer.status == 200
    cost = nanousd(answer.headers["x-gateway-cost-usd"])
    assert cost == 10_000 + 1 * 2_000
    assert after[overshoot] > before[overshoot]
    assert round((after[disputed] - before.get(disputed, 0)) * 10**9) == 1999 * 2_000
    assert (await limit_status(gateway, LIAR))["spent"] == cost


async def test_refused_calls_are_not_in_the_ledger(gateway):
    refused = [
        await ask(gateway.url, POOR, question("words")),
        await ask(gateway.url, POOR, question("secret")),
    ]
    assert {answer.id for answer in refused}.isdisjoint(row["id"] for row in await whole_ledger(gateway))
    gateway.manage("reconcile")
