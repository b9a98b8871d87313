"""Two workers count as one: 64 clients at once get exactly what every limit allows, and no cent more."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import islice

import pytest

from tests.support import sample
from tests.support.books.ledger import committed
from tests.support.books.money import limit_status, nanousd, windows
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway
from tests.support.stores import stores
from tests.support.waiting import eventually

CLIENTS = 64
CENT = 10_000_000


def token(name):
    return f"sk-{name}.{name}-secret"


def config(endpoint):
    rates = {
        "rpm": {"requests_per_minute": 30},
        "tpm": {"tokens_per_minute": 1000},
        "slots": {"parallel_requests": 4},
        "purse": {},
    }
    return {
        **sample.NO_LIMITS,
        "server": {"workers": 2},
        "model_catalog": [
            sample.row("chat", "up-two-chat", endpoint),
            sample.row("chatty", "up-two-chatty", endpoint),
            sample.row("slow", "up-two-slow", endpoint, timeouts={"first_byte": "20s"}),
            sample.row(
                "cent", "up-two-cent", endpoint, price_input=0, price_output=0, pricing={"request": 0.01}
            ),
        ],
        "bootstrap": {
            "tenants": [{"name": name} for name in rates],
            "tenant_budgets": [{"tenant": "purse", "budget_usd": 5}],
            "api_keys": [sample.key(name, token(name), rate_limit=limits) for name, limits in rates.items()],
        },
    }


@pytest.fixture(scope="module")
def isolated_stores():
    """Yield the environment of a gateway on a PostgreSQL and a Redis of its own, for the whole file."""
    with stores.own() as environment:
        yield environment


@pytest.fixture(scope="module")
def gateway(upstream, tmp_path_factory, isolated_stores):
    with Gateway(
        config(upstream.base_url), tmp_path_factory.mktemp("two") / "data", isolated_stores
    ) as server:
        yield server


def is_decided(answer):
    assert answer.status != 503 or answer.error["code"] == "limiter_unavailable", answer
    return answer.status != 503


async def crowd(gateway, name, body, calls=CLIENTS):
    """Let 64 clients ask until so many calls were decided; return the served and the refused.

    The last cents are set aside for an outage. A worker that is too slow to give them back within 0.3 s leaves the
    decision open, and the client is told to ask again (503).
    """
    gate = asyncio.Semaphore(CLIENTS)

    async def one():
        async with gate:
            return await eventually(partial(ask, gateway.url, token(name), body), is_decided)

    answers = await asyncio.gather(*(one() for _ in range(calls)))
    served = [answer for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status == 429]
    assert len(served) + len(refused) == calls, {answer.status for answer in answers}
    return served, refused


async def test_requests_per_minute_are_exact_across_workers(gateway):
    served, refused = await crowd(gateway, "rpm", question("chat"), 128)
    assert len(served) == 30
    assert {answer.error["limit"]["rule"] for answer in refused} == {"requests"}


async def test_tokens_per_minute_are_exact_across_workers(gateway, upstream):
    upstream.script("up-two-chatty", {"prompt_tokens": 10, "chunks": 90})
    body = question("chatty", max_tokens=180)  # about 200 are reserved, exactly 100 are used
    served, refused = await crowd(gateway, "tpm", body)
    assert {answer.error["limit"]["rule"] for answer in refused} == {"tokens"}
    more = 0
    while (await ask(gateway.url, token("tpm"), body)).status == 200:
        more += 1
    assert len(served) + more == 9  # the 100 that are left are less than a call may need


async def test_parallel_limit_is_exact_across_workers(gateway, upstream):
    upstream.script("up-two-slow", {"hold_before_head": True})
    calls = [asyncio.create_task(ask(gateway.url, token("slots"), question("slow"))) for _ in range(CLIENTS)]
    await upstream.wait("arrived", model="up-two-slow", count=4)
    refused = [await answer for answer in islice(asyncio.as_completed(calls), CLIENTS - 4)]
    running = [call for call in calls if not call.done()]
    assert {(answer.status, answer.error["limit"]["rule"]) for answer in refused} == {(429, "parallel")}
    assert upstream.release(model="up-two-slow") == len(running) == 4
    assert {answer.status for answer in await asyncio.gather(*running)} == {200}
    assert len(upstream.seen(model="up-two-slow")) == 4


async def test_five_dollars_buy_five_hundred_calls_at_a_cent(gateway):
    served, refused = await crowd(gateway, "purse", question("cent"), 700)
    assert (len(served), len(refused)) == (500, 200)
    assert {answer.error["code"] for answer in refused} == {"insufficient_quota"}
    for answer in refused:
        budget = answer.error["budget"]
        assert nanousd(budget["spent_usd"]) + nanousd(budget["held_usd"]) == 500 * CENT
    await eventually(lambda: windows(gateway).get(("tenant", "calendar_month")) == 500 * CENT)
    assert (await limit_status(gateway, token("purse")))["held"] == 0
    assert {row["id"] for row in committed(gateway) if row["model"] == "cent"} == {
        answer.id for answer in served
    }


def test_both_workers_have_journaled_calls(gateway):
    journals = [path for path in (gateway.data_dir / "journal").iterdir() if path.is_dir()]
    assert len(journals) == 2
    assert all(any(segment.stat().st_size for segment in path.glob("*.log")) for path in journals)
