"""A call of /v1/messages is served by a provider that speaks OpenAI's chat API, billed and limited like any other."""

from __future__ import annotations

import base64
import json

import pytest

from tests.support import sample
from tests.support.books.ledger import whole_ledger
from tests.support.clients.media import png

MODEL, UPSTREAM = "m11", "up-m11"
BODY = {"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}


async def call(gateway, body, headers=None, key=sample.ALICE):
    async with gateway.client() as client:
        return await client.post(
            "/v1/messages?beta=true", json=BODY | body, headers={"x-api-key": key} | (headers or {})
        )


def events_of(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    frames = [frame.split("\n") for frame in answer.text.split("\n\n") if frame]
    found = [json.loads(data.removeprefix("data: ")) for _, data in frames]
    assert [name for name, _ in frames] == [f"event: {event['type']}" for event in found]
    return found


def sent(upstream):
    return json.loads(upstream.seen(model=UPSTREAM)[-1]["body"])


async def test_a_message(shared_gateway, upstream):
    upstream.script(UPSTREAM, {"prompt_tokens": 10, "cached_tokens": 4})
    answer = await call(shared_gateway, {"system": "Be kind", "stop_sequences": ["END"]})
    body = answer.json()
    assert body["content"] == [{"type": "text", "text": " word" * 5}]
    assert (body["model"], body["stop_reason"]) == (MODEL, "end_turn")
    usage = body["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]) == (6, 4, 5)
    assert answer.headers["request-id"] == answer.headers["x-request-id"]
    assert answer.headers["x-gateway-cost-usd"]
    went = sent(upstream)
    assert went["messages"][0] == {"role": "system", "content": "Be kind"}
    assert went["stop"] == ["END"]
    assert 50 in {went.get("max_tokens"), went.get("max_completion_tokens")}


async def test_a_stream(shared_gateway, upstream):
    upstream.script(UPSTREAM, {})
    events = events_of(await call(shared_gateway, {"stream": True}))
    assert [event["type"] for event in events] == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * 5,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert events[0]["message"]["usage"]["input_tokens"] > 0
    assert events[-2]["usage"]["input_tokens"] == 10
    assert events[-2]["usage"]["output_tokens"] == 5


async def test_the_varying_block_does_not_go_upstream(shared_gateway, upstream):
    upstream.script(UPSTREAM, {})
    bodies = []
    for number in (1, 2):
        billing = {"type": "text", "text": f"x-anthropic-billing-header: cch={number};"}
        await call(shared_gateway, {"system": [billing, {"type": "text", "text": "Be kind"}]})
        bodies.append(sent(upstream))
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize("end", ["cut", "drop", "error"])
async def test_a_stream_that_breaks_ends_with_an_error_event(shared_gateway, upstream, end):
    upstream.script(UPSTREAM, {"end": end, "after": 2})
    events = events_of(await call(shared_gateway, {"stream": True}))
    assert events[-1]["type"] == "error"
    assert events[-1]["error"]["type"] == "api_error"
    assert events[-1]["request_id"].startswith("req_")
    assert "message_stop" not in {event["type"] for event in events}


async def test_a_refusal_of_the_provider_is_in_the_envelope(shared_gateway, upstream):
    body = {"error": {"message": "No such thing", "type": "invalid_request_error", "code": "odd"}}
    upstream.script(UPSTREAM, {"kind": "status", "status": 400, "body": body})
    answer = await call(shared_gateway, {})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "odd")
    assert "No such thing" in error["message"]


async def test_a_failed_provider_is_an_error_of_the_api(shared_gateway, upstream):
    upstream.script("up-m12", {"kind": "status", "status": 500, "body": {"error": {"message": "x"}}})
    answer = await call(shared_gateway, {"model": "m12"})
    assert answer.status_code == 502
    assert answer.json()["error"]["type"] == "api_error"


async def test_an_idempotency_key_makes_one_call(shared_gateway, upstream):
    upstream.script(UPSTREAM, {})
    before = len(upstream.seen(model=UPSTREAM))
    headers = {"idempotency-key": "messages-once"}
    first = await call(shared_gateway, {}, headers)
    again = await call(shared_gateway, {}, headers)
    other = await call(shared_gateway, {"max_tokens": 7}, headers)
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["request-id"] != first.headers["request-id"]
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_mismatch")
    assert len(upstream.seen(model=UPSTREAM)) == before + 1


async def test_a_large_body_is_served(shared_gateway, upstream):
    upstream.script(UPSTREAM, {})
    data = base64.b64encode(png(64, 64, 400_000)).decode()
    source = {"type": "base64", "media_type": "image/png", "data": data}
    blocks = [{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}]
    answer = await call(shared_gateway, {"messages": [{"role": "user", "content": blocks}]})
    assert answer.status_code == 200, answer.text
    assert f"data:image/png;base64,{data[:40]}" in upstream.seen(model=UPSTREAM)[-1]["body"]


async def test_what_cannot_be_translated_is_refused_by_its_place(shared_gateway):
    block = {"type": "search_result", "source": "x", "title": "t", "content": [{"type": "text", "text": "a"}]}
    answer = await call(shared_gateway, {"messages": [{"role": "user", "content": [block]}]})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "messages[0].content[0].search_result"


async def test_a_call_is_in_the_ledger_and_within_its_budget(gateway_factory, upstream):
    upstream.script(UPSTREAM, {})
    people = {
        "tenants": [{"name": "poor", "status": "active"}],
        "api_keys": [{"tenant": "poor", "prefix": "poor", "secret": "poor-secret", "budget_usd": "0.0005"}],
    }
    gateway = gateway_factory({"bootstrap": people})
    key = "sk-poor.poor-secret"
    served = await call(gateway, {}, key=key)
    assert served.status_code == 200, served.text
    refused = await call(gateway, {"max_tokens": 4_000}, key=key)
    assert refused.status_code == 429
    error = refused.json()["error"]
    assert (error["type"], error["code"]) == ("billing_error", "insufficient_quota")
    assert error["budget"]["limit_usd"]
    assert refused.headers["x-should-retry"] == "false"
    [row] = await whole_ledger(gateway)
    assert (row["endpoint"], row["status"], row["input_tokens"], row["output_tokens"]) == (
        "messages",
        "ok",
        10,
        5,
    )


async def test_a_call_can_be_simulated(shared_gateway):
    async with shared_gateway.client(sample.ALICE) as client:
        answer = await client.post("/v1/gateway/simulate", json={"endpoint": "messages", "body": BODY})
    report = answer.json()
    assert (report["endpoint"], report["admitted"], report["model"]) == ("messages", True, MODEL)
    assert report["output_cap"] in {None, 50}


async def test_the_operations_are_documented(shared_gateway):
    async with shared_gateway.client(sample.ALICE) as client:
        paths = (await client.get("/v1/openapi.json")).json()["paths"]
    assert {"/v1/messages", "/v1/messages/count_tokens"} <= paths.keys()
    assert paths["/v1/messages"]["post"]["operationId"] == "createMessage"
