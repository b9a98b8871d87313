"""A thousand clients at once, and one budget: not a cent too much is spent, and not a cent of it is lost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from tests.support import sample
from tests.support.books.ledger import committed, whole_ledger
from tests.support.books.money import limit_status, nanousd, settled, windows
from tests.support.clients.concurrent_clients import word_of
from tests.support.clients.raw_calls import ask, question
from tests.support.stores import stores
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_modes

CENT = 10_000_000
KEY = "sk-thousand.thousand-secret"
CLIENTS = 1000
# Where admission is shared, a busy machine may let Redis be late, which is a 503 that says to ask again.
LATE = {"limiter_unavailable"} if stores.are_shared() else set()


def config(upstream, budget, **row):
    return {
        **sample.NO_LIMITS,
        "model_catalog": [sample.row("cent", "up-thousand", upstream.base_url, **row)],
        "bootstrap": {
            "tenants": [{"name": "thousand"}],
            "api_keys": [sample.key("thousand", KEY)],
            "tenant_budgets": [{"tenant": "thousand", "budget_usd": budget}],
        },
    }


def costs_a_cent(upstream):
    return config(upstream, 1, price_input=0, price_output=0, pricing={"request": 0.01})


async def watch(gateway, stop, limit):
    """Look at the books again and again; return how often they were seen."""
    times = 0
    while not stop.is_set():
        assert sum(windows(gateway).values()) <= limit
        seen = await limit_status(gateway, KEY)
        assert seen["spent"] <= seen["limit"] == limit
        unsettled = limit - seen["spent"] - seen["remaining"]  # of those that were left before their usage
        assert unsettled >= 0
        assert seen["spent"] + seen["held"] + unsettled <= limit
        times += 1
        await asyncio.sleep(0.02)
    return times


async def spend_the_rest(gateway, body):
    """Ask one call after the other until one is refused; return the costs and the refusal."""
    costs: list[int] = []
    while True:
        answer = await patiently(gateway, body)
        if answer.status != 200:
            return costs, answer
        costs.append(nanousd(answer.headers["x-gateway-cost-usd"]))


async def patiently(gateway, body):
    """Ask until it is decided."""
    return await eventually(
        lambda: ask(gateway.url, KEY, body), lambda answer: word_of(answer) not in LATE, within_s=60
    )


async def test_one_dollar_buys_exactly_100_of_1000_calls_at_a_cent(gateway_factory, upstream):
    gateway = gateway_factory(costs_a_cent(upstream), bare=True)
    stop = asyncio.Event()
    watching = asyncio.create_task(watch(gateway, stop, 100 * CENT))
    answers = await asyncio.gather(*(patiently(gateway, question("cent")) for _ in range(CLIENTS)))
    stop.set()
    assert await watching

    served = [answer for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status == 429]
    assert (len(served), len(refused)) == (100, 900), Counter(word_of(answer) for answer in answers)
    assert {answer.headers["x-gateway-cost-usd"] for answer in served} == {"0.01"}
    for answer in refused:
        assert answer.error["code"] == "insufficient_quota"
        assert answer.headers["x-should-retry"] == "false"
        budget = answer.error["budget"]
        assert (budget["scope"], budget["limit_usd"], budget["needed_usd"]) == ("tenant", "1.00", "0.01")
        assert nanousd(budget["spent_usd"]) + nanousd(budget["held_usd"]) == 100 * CENT
        assert budget["resets_at"].endswith("-01T00:00:00Z")

    ledger = await whole_ledger(gateway)
    assert {row["id"] for row in ledger} == {answer.id for answer in served}
    assert len(ledger) == 100
    assert len(upstream.seen(model="up-thousand")) == 100
    assert await limit_status(gateway, KEY) == {
        "limit": 100 * CENT,
        "spent": 100 * CENT,
        "remaining": 0,
        "held": 0,
    }
    assert windows(gateway) == {("tenant", "calendar_month"): 100 * CENT}
    gateway.manage("reconcile")


@pytest.mark.parametrize("clients", [300, pytest.param(CLIENTS, marks=pytest.mark.soak)])
async def test_cancelled_streams_neither_overspend_nor_strand_a_cent(gateway_factory, upstream, clients):
    limit = 20_000 * clients  # about a quarter of these streams
    upstream.script("up-thousand", {"chunks": 20, "pause": 0.01, "prompt_tokens": 10})
    gateway = gateway_factory(config(upstream, limit / 10**9), bare=True)
    dice = random.Random(20_261_122)
    body = question("cent", stream=True, max_tokens=20, stream_options={"include_usage": True})
    stop = asyncio.Event()
    watching = asyncio.create_task(watch(gateway, stop, limit))
    leaves = [dice.choice([None, None, 0, 1, 5, 12]) for _ in range(clients)]
    answers = await asyncio.gather(*(ask(gateway.url, KEY, body, leave_after=leave) for leave in leaves))
    await settled(gateway)
    stop.set()
    assert await watching
    assert {word_of(answer) for answer in answers} - LATE == {"200", "broken", "insufficient_quota"}

    assert (await limit_status(gateway, KEY))["held"] == 0
    upstream.script("up-thousand", {"chunks": 20, "prompt_tokens": 10})
    body = question("cent", max_tokens=20)
    costs, refusal = await spend_the_rest(gateway, body)
    assert costs == [50_000] * len(costs)
    budget = refusal.error["budget"]
    spent, unsettled = nanousd(budget["spent_usd"]), nanousd(budget["unsettled_usd"])
    assert budget["held_usd"] == "0.00"
    assert limit - spent - unsettled < nanousd(budget["needed_usd"]) <= 200_000

    ledger = await whole_ledger(gateway)
    assert sum(row["cost_nanousd"] for row in ledger) == spent
    assert sum(row["unsettled_nanousd"] for row in ledger) == unsettled
    assert windows(gateway)["tenant", "calendar_month"] == spent + unsettled
    assert {row["status"] for row in ledger} == {"ok", "cancelled"}
    assert all(row["cost_nanousd"] for row in ledger)
    gateway.manage("reconcile")


async def test_unused_holds_of_cancelled_streams_can_be_spent_to_the_last_cent(gateway_factory, upstream):
    gateway = gateway_factory(costs_a_cent(upstream), bare=True)
    upstream.script("up-thousand", {"chunks": 20, "pause": 0.01})
    body = question("cent", stream=True)
    dice = random.Random(20_261_122)
    leaves = [dice.choice([None, 0, 1, 5]) for _ in range(60)]
    answers = await asyncio.gather(*(ask(gateway.url, KEY, body, leave_after=leave) for leave in leaves))
    await settled(gateway)
    costs, refusal = await spend_the_rest(gateway, question("cent"))
    await settled(gateway)

    assert refusal.error["budget"]["spent_usd"] == "1.00"
    assert await limit_status(gateway, KEY) == {
        "limit": 100 * CENT,
        "spent": 100 * CENT,
        "remaining": 0,
        "held": 0,
    }
    assert len(committed(gateway)) == 100
    assert len(costs) >= 100 - len(answers)
