"""Requests, tokens and parallel calls are counted exactly while many clients send calls at once."""

from __future__ import annotations

import asyncio
from itertools import islice

import pytest

from tests.support import sample
from tests.support.books.ledger import whole_ledger
from tests.support.books.money import settled
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway

pytestmark = pytest.mark.both_modes

CLIENTS = 64
UNLIMITED = "unlimited"


def token(name):
    return f"sk-{name}.{name}-secret"


def key(name, tenant="", **rates):
    return sample.key(tenant or name, token(name), rate_limit=rates)


def config(endpoint):
    single = ["requests", "tokens", "parallel", "strict", "impossible", "heir", "free", "zero"]
    return {
        "metering": {"allow_volatile": True},
        "rate_limits": {
            "default_tokens_per_minute": UNLIMITED,
            "default_requests_per_minute": 7,
            "default_parallel_requests_key": UNLIMITED,
            "default_parallel_requests_tenant": UNLIMITED,
        },
        "model_catalog": [
            sample.row("chat", "up-rate-chat", endpoint),
            sample.row("slow", "up-rate-slow", endpoint, timeouts={"first_byte": "20s"}),
            sample.row("chatty", "up-rate-chatty", endpoint),
        ],
        "bootstrap": {
            "tenants": [{"name": name} for name in [*single, "shared"]],
            "tenant_limits": [
                {"tenant": name, "requests_per_minute": UNLIMITED} for name in single if name != "heir"
            ]
            + [{"tenant": "shared", "requests_per_minute": 20}],
            "api_keys": [
                key("requests", requests_per_minute=30),
                key("tokens", requests_per_minute=UNLIMITED, tokens_per_minute=1000),
                key("parallel", requests_per_minute=UNLIMITED, parallel_requests=4),
                key("strict", requests_per_minute=2),
                key("impossible", requests_per_minute=UNLIMITED, tokens_per_minute=50),
                key("heir"),
                key("free", requests_per_minute=UNLIMITED),
                key("zero", requests_per_minute=0),
                key("left", "shared", requests_per_minute=15),
                key("right", "shared", requests_per_minute=15),
            ],
        },
    }


@pytest.fixture(scope="module")
def gateway(upstream, tmp_path_factory):
    with Gateway(config(upstream.base_url), tmp_path_factory.mktemp("rates") / "data") as server:
        yield server


async def crowd(gateway, name, body, clients=CLIENTS):
    """Let many ask at once; return the served and the refused."""
    answers = await asyncio.gather(*(ask(gateway.url, token(name), body) for _ in range(clients)))
    served = [answer for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status == 429]
    assert len(served) + len(refused) == clients
    return served, refused


async def test_64_concurrent_calls_get_exactly_the_limit_per_minute(gateway):
    served, refused = await crowd(gateway, "requests", question("chat"))
    assert len(served) == 30
    for answer in refused:
        assert answer.error["code"] == "rate_limit_exceeded"
        limit = answer.error["limit"]
        assert (limit["scope"], limit["rule"], limit["limit"], limit["remaining"]) == (
            "key",
            "requests",
            30,
            0,
        )
        assert 50_000 < limit["resets_in_ms"] <= 61_000
        assert int(answer.headers["retry-after"]) == -(-limit["resets_in_ms"] // 1000)
        assert answer.headers["x-ratelimit-limit-requests"] == "30"
        assert answer.headers["x-ratelimit-remaining-requests"] == "0"
        assert "x-should-retry" not in answer.headers
    remaining = sorted(int(answer.headers["x-ratelimit-remaining-requests"]) for answer in served)
    assert remaining[0] == 0


async def test_headers_count_down_with_every_call(gateway):
    first = await ask(gateway.url, token("strict"), question("chat"))
    second = await ask(gateway.url, token("strict"), question("chat"))
    left = [answer.headers["x-ratelimit-remaining-requests"] for answer in (first, second)]
    assert left == ["1", "0"]
    assert first.headers["x-ratelimit-reset-requests"].endswith("s")


async def test_refused_and_invalid_requests_do_not_use_the_rate(gateway):
    for wrong in (question("nowhere"), {"model": "chat"}, question("chat", max_tokens="many")):
        answer = await ask(gateway.url, token("heir"), wrong)
        assert answer.status in {400, 404}
    async with gateway.client(token("heir")) as client:
        await client.get("/v1/models")
    served, refused = await crowd(gateway, "heir", question("chat"), 10)
    assert len(served) == 7  # all of the default
    assert {answer.error["limit"]["limit"] for answer in refused} == {7}


async def test_tokens_are_reserved_at_once_and_corrected_at_the_end(gateway, upstream):
    upstream.script("up-rate-chatty", {"prompt_tokens": 10, "chunks": 90})
    body = question("chatty", max_tokens=180)  # about 200 are reserved, exactly 100 are used
    served, refused = await crowd(gateway, "tokens", body)
    assert {answer.error["limit"]["rule"] for answer in refused} == {"tokens"}
    assert 4 <= len(served) <= 10
    more = 0
    while (answer := await ask(gateway.url, token("tokens"), body)).status == 200:
        more += 1
    assert len(served) + more == 9  # 900 are used, and 100 that are left are less than a call may need
    assert answer.headers["x-ratelimit-limit-tokens"] == "1000"
    assert answer.headers["x-ratelimit-remaining-tokens"] == "100"
    small = await ask(gateway.url, token("tokens"), question("chatty", max_tokens=50))
    assert small.status == 200


async def test_a_prompt_larger_than_the_limit_gets_no_retry_after(gateway):
    body = question("chat")
    body["messages"][0]["content"] = "word " * 100
    answer = await ask(gateway.url, token("impossible"), body)
    assert answer.status == 429
    assert answer.headers["x-should-retry"] == "false"
    assert "retry-after" not in answer.headers
    assert "This call alone needs more" in answer.error["message"]


async def test_parallel_limit_is_kept_and_slots_are_released(gateway, upstream):
    upstream.script("up-rate-slow", {"hold_before_head": True})
    calls = [
        asyncio.create_task(ask(gateway.url, token("parallel"), question("slow"))) for _ in range(CLIENTS)
    ]
    await upstream.wait("arrived", model="up-rate-slow", count=4)
    refused = [await answer for answer in islice(asyncio.as_completed(calls), CLIENTS - 4)]
    running = [call for call in calls if not call.done()]
    assert (len(running), len(refused)) == (4, 60)
    for answer in refused:
        limit = answer.error["limit"]
        assert (answer.status, limit["rule"], limit["limit"], limit["remaining"]) == (429, "parallel", 4, 0)
        assert int(answer.headers["retry-after"]) >= 1
    assert upstream.release(model="up-rate-slow") == 4
    assert {answer.status for answer in await asyncio.gather(*running)} == {200}
    assert len(upstream.seen(model="up-rate-slow")) == 4
    assert (await ask(gateway.url, token("parallel"), question("chat"))).status == 200


async def test_slot_is_released_when_the_client_disconnects(gateway):
    body = question("chat", stream=True)
    for _ in range(12):
        await ask(gateway.url, token("parallel"), body, leave_after=1)
    await settled(gateway)
    served, _ = await crowd(gateway, "parallel", question("chat"), 4)
    assert len(served) == 4


async def test_two_keys_have_limits_of_their_own_and_share_that_of_their_tenant(gateway):
    left, refused_left = await crowd(gateway, "left", question("chat"), 32)
    assert len(left) == 15
    assert {answer.error["limit"]["scope"] for answer in refused_left} == {"key"}
    right, refused_right = await crowd(gateway, "right", question("chat"), 32)
    assert len(right) == 5
    assert {(a.error["limit"]["scope"], a.error["limit"]["limit"]) for a in refused_right} == {("tenant", 20)}


async def test_unlimited_is_a_keyword_and_empty_or_zero_inherits(gateway):
    served, _ = await crowd(gateway, "free", question("chat"))
    assert len(served) == CLIENTS
    assert "x-ratelimit-limit-requests" not in served[0].headers
    served, refused = await crowd(gateway, "zero", question("chat"), 10)
    assert (len(served), len(refused)) == (7, 3)


async def test_calls_refused_by_a_rate_never_reach_provider_or_ledger(gateway, upstream):
    ledger = {row["id"] for row in await whole_ledger(gateway)}
    seen = {
        call["id"] for name in ("chat", "slow", "chatty") for call in upstream.seen(model=f"up-rate-{name}")
    }
    assert ledger == seen
