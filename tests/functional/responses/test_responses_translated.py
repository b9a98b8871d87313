"""Responses in front of a provider that has only chat: OpenAI's own client works, tools in a loop, JSON and streams."""

from __future__ import annotations

import json

import openai
import pytest

from tests.support import sample
from tests.support.books.ledger import row_of
from tests.support.servers.gateway import Gateway

KEY = "sk-cora.cora-secret"
TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}


@pytest.fixture(scope="module")
def gateway(upstream, tmp_path_factory):
    config = {
        **sample.NO_LIMITS,
        "model_catalog": [
            sample.row("plain", "up-plain", upstream.base_url),
            sample.row(
                "roomy", "up-roomy", upstream.base_url, context_window=900_000, max_output_tokens=200_000
            ),
        ],
        "bootstrap": {"tenants": [{"name": "cora"}], "api_keys": [sample.key("cora", KEY, budget_usd=5)]},
    }
    with Gateway(config, tmp_path_factory.mktemp("translated") / "data") as server:
        yield server


@pytest.fixture
def client(gateway):
    with gateway.openai_sync(KEY) as client:
        yield client


def test_a_response_is_translated_and_repeats_its_request(client, upstream):
    answer = client.responses.create(
        model="plain", instructions="Be brief.", input="hi", max_output_tokens=50, metadata={"a": "b"}
    )
    assert answer.object == "response"
    assert answer.status == "completed"
    assert answer.model == "plain"
    assert answer.output_text
    assert answer.instructions == "Be brief."
    assert answer.metadata == {"a": "b"}
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 0


def test_a_stream_has_the_full_order_of_events(client):
    events = list(client.responses.create(model="plain", input="hi", stream=True))
    kinds = [event.type for event in events]
    assert kinds[:4] == [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
    ]  # fmt: skip
    assert kinds[-4:] == [
        "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed",
    ]  # fmt: skip
    assert [event.sequence_number for event in events] == list(range(len(events)))
    said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert said == events[-1].response.output_text
    assert events[-1].response.usage.output_tokens > 0


async def test_a_stream_is_billed(gateway):
    async with gateway.client(KEY) as client:
        answer = await client.post("/v1/responses", json={"model": "plain", "input": "hi", "stream": True})
    row = await row_of(gateway, answer.headers["x-request-id"])
    last = json.loads(answer.text.strip().splitlines()[-1].removeprefix("data: "))
    assert row["status"] == "ok"
    assert row["output_tokens"] == last["response"]["usage"]["output_tokens"] > 0
    assert "[DONE]" not in answer.text


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"store": True}, "store"),
        ({"tools": [{"type": "web_search"}]}, None),
        ({"truncation": "auto"}, "truncation"),
    ],
)
def test_what_only_openai_has_is_refused_by_name(client, members, param):
    with pytest.raises((openai.BadRequestError, openai.PermissionDeniedError)) as refused:
        client.responses.create(model="plain", input="hi", **members)
    assert param is None or refused.value.param == param


def test_a_compaction_is_refused_by_name(client):
    with pytest.raises(openai.BadRequestError) as refused:
        client.post("/responses/compact", cast_to=object, body={"model": "plain", "input": "hi"})
    assert refused.value.param == "compact"


def test_input_tokens_are_an_estimate_and_say_so(client):
    counted = client.responses.input_tokens.with_raw_response.count(model="plain", input="Hello there, you.")
    assert counted.headers["x-gateway-estimated"] == "true"
    assert counted.parse().input_tokens > 2


async def test_a_stream_that_breaks_ends_with_response_failed(gateway, upstream):
    upstream.script("up-plain", {"end": "cut", "after": 3})
    try:
        async with gateway.client(KEY) as client:
            answer = await client.post(
                "/v1/responses", json={"model": "plain", "input": "hi", "stream": True}
            )
    finally:
        upstream.forget_scripts()
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert [event["type"] for event in events][-2:] == ["error", "response.failed"]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


def test_a_large_body_is_translated(client):
    asked = [{"role": "user", "content": "x" * 30}] * 6_000
    with pytest.raises(openai.BadRequestError) as refused:  # server.max_messages
        client.responses.create(model="plain", input=asked)
    assert refused.value.code == "too_many_inputs"
    answer = client.responses.create(model="roomy", input=[{"role": "user", "content": "a b " * 100_000}])
    assert answer.status == "completed"


def test_a_large_answer_is_translated(client, upstream):
    upstream.script("up-roomy", {"chunks": 1, "huge": 400_000})
    try:
        for streams in (False, True):
            answer = client.responses.create(model="roomy", input="hi", stream=streams)
            response = list(answer)[-1].response if streams else answer
            assert response.object == "response"
            assert response.id.startswith("resp_")
    finally:
        upstream.forget_scripts()
