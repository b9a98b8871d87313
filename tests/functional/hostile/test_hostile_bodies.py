"""Bodies made to break a parser: each is a 400 or a served call, never a 500, and nothing stays held afterwards."""

from __future__ import annotations

import json
import time

import pytest

from tests.bench.processes import cpu_seconds, family
from tests.support import sample
from tests.support.clients.raw_calls import question

CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}
USER = b'{"role":"user","content":"hi"}'


def body(*members: bytes, model: bytes = b'"chat"') -> bytes:
    return b"{" + b",".join([b'"model":' + model, b'"messages":[' + USER + b"]", *members]) + b"}"


def deep(levels: int) -> bytes:
    return b'"metadata":' + b"[" * levels + b"]" * levels


async def post(gateway, content, headers=JSON):
    async with gateway.client(sample.ALICE) as client:
        return await client.post(CHAT, content=content, headers=headers)


@pytest.mark.parametrize(
    "content",
    [
        body(b'"\xff":1'),
        body(b'"x":"\xff\xfe"'),
        body(b'"\\ud800":1'),
        body(model=b'"\\ud800"'),
        body(deep(4_000)),
        body(b'"temperature":Infinity'),
    ],
    ids=["key", "value", "surrogate-key", "surrogate-model", "deep", "infinity"],
)
async def test_invalid_json_is_refused_and_no_internal_error(shared_gateway, content):
    answer = await post(shared_gateway, content)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


async def test_deeply_nested_json_is_refused(shared_gateway):
    answer = await post(shared_gateway, body(deep(100_000)))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "too_deeply_nested")


@pytest.mark.parametrize("headers", [{}, {"idempotency-key": "odd"}], ids=["plain", "idempotent"])
@pytest.mark.parametrize(
    "member",
    [
        deep(500),
        b'"seed":' + b"9" * 5000,
        b'"temperature":1e99999',
        b'"max_tokens":' + b"9" * 400,
        b'"max_tokens":9223372036854775807,"n":128',
        b'"model":"chat","model":"chat"',
        b",".join(b'"k%d":1' % number for number in range(20_000)),
    ],
    ids=["deep", "big-int", "big-float", "huge-cap", "cap-of-64-bits", "twice", "many-keys"],
)
async def test_odd_json_is_answered(shared_gateway, member, headers):
    key = {name: f"{value}-{hash(member)}" for name, value in headers.items()}
    answer = await post(shared_gateway, body(member), JSON | key)
    assert answer.status_code in {200, 400, 429}, answer.text
    assert answer.json()


async def test_a_body_of_a_million_members_is_refused_for_less_than_reading_it_would_cost(shared_gateway):
    content = body(*(b'"k%d":1' % number for number in range(1_000_000)))
    began = time.thread_time()
    json.loads(content)
    reading_s, before = time.thread_time() - began, cpu_seconds(family(shared_gateway.pid))
    answer = await post(shared_gateway, content)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "too_many_members")
    refusing_s = cpu_seconds(family(shared_gateway.pid)) - before
    print(f"refused in {refusing_s:.3f} s of a processor, read in {reading_s:.3f} s")  # noqa: T201 - shown with -s
    assert refusing_s < reading_s


async def test_many_members_inside_messages_are_passed_on(shared_gateway):
    nested = b'"tools":[{"type":"function","function":{"name":"f","parameters":{%s}}}]'
    answer = await post(
        shared_gateway, body(nested % b",".join(b'"k%d":1' % number for number in range(25_000)))
    )
    assert answer.json().get("error", {}).get("code") != "too_many_members"


async def test_of_two_models_in_one_body_the_priced_one_is_called(shared_gateway, upstream):
    upstream.script("up-m18", {})
    earlier = len(upstream.seen(model="up-m18"))  # by tests before this one
    answer = await post(shared_gateway, body(b'"mod\\u0065l":"m18"'))
    assert (answer.status_code, answer.json()["model"]) == (200, "m18")
    assert len(upstream.seen(model="up-m18")) == earlier + 1


async def test_a_picture_cannot_be_hidden_from_the_budget_by_its_spelling(gateway_factory):
    keys = [sample.key("alice-co", "sk-poor.poor-secret", budget_usd=0.000_001)]
    gateway = gateway_factory({"bootstrap": {"api_keys": keys}})
    asked = b'"messages":[{"role":"user","content":[{"type":"%s","%s":{"url":"https://example.com/x.png"}}]}]'
    needed = []
    for word in (b"image_url", b"im\\u0061ge_url"):
        content = b'{"model":"chat","max_tokens":1,' + asked % (word, word) + b"}"
        async with gateway.client("sk-poor.poor-secret") as client:
            answer = await client.post(CHAT, content=content, headers=JSON)
        assert answer.status_code == 429, answer.text
        needed.append(answer.json()["error"]["budget"]["needed_nanousd"])
    assert needed[1] >= needed[0]


async def test_a_bad_header_after_a_good_body_holds_nothing(shared_gateway):
    async with shared_gateway.client(sample.CHARLIE) as client:
        refused = await client.post(CHAT, json=question("chat"), headers={"x-request-timeout-ms": "soon"})
        assert refused.status_code == 400
        served = await client.post(CHAT, json=question("chat"))
    assert (served.status_code, served.headers["x-budget-held-usd"].rstrip("0")) == (200, "0.")
