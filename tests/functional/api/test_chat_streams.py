"""Streams as OpenAI frames them, whatever the provider's framing: the alias in every chunk, usage when asked for."""

from __future__ import annotations

import json

import pytest

from tests.support import sample
from tests.support.clients.raw_calls import question

MODEL, UPSTREAM = "m2", "up-m2"
DONE = "[DONE]"


async def stream(gateway, upstream, behavior, model=MODEL, **more):
    """Return the answer and the data of its events."""
    upstream.script(f"up-{model}", behavior)
    async with gateway.client(sample.ALICE) as client:
        answer = await client.post("/v1/chat/completions", json=question(model, stream=True, **more))
    assert answer.status_code == 200, answer.text
    assert answer.content.endswith(b"\n\n")
    blocks = [block for block in answer.text.split("\n\n") if block]
    assert all(block.startswith("data: ") for block in blocks), blocks
    return answer, [block.removeprefix("data: ") for block in blocks]


def chunks_of(events):
    return [json.loads(event) for event in events if event != DONE]


def text_of(events):
    deltas = (choice["delta"] for chunk in chunks_of(events) for choice in chunk["choices"])
    return "".join(delta.get("content") or "" for delta in deltas)


async def test_event_stream_has_headers_that_disable_buffering(shared_gateway, upstream):
    answer, events = await stream(shared_gateway, upstream, {})
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-accel-buffering"] == "no"
    assert events[-1] == DONE
    assert events.count(DONE) == 1
    assert text_of(events) == " word" * 5


async def test_every_chunk_carries_the_alias(shared_gateway, upstream):
    _, events = await stream(
        shared_gateway, upstream, {"empty_choices": 1}, stream_options={"include_usage": True}
    )
    assert {chunk["model"] for chunk in chunks_of(events)} == {MODEL}
    assert UPSTREAM not in "".join(events)


async def test_usage_comes_once_and_last_when_asked_for(shared_gateway, upstream):
    _, events = await stream(shared_gateway, upstream, {}, stream_options={"include_usage": True})
    last = chunks_of(events)[-1]
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 5
    assert [chunk for chunk in chunks_of(events) if chunk["usage"]] == [last]


@pytest.mark.parametrize(
    "options", [{}, {"stream_options": None}, {"stream_options": {"include_usage": False}}]
)
async def test_usage_never_comes_when_not_asked_for(shared_gateway, upstream, options):
    _, events = await stream(shared_gateway, upstream, {"usage": "always"}, **options)
    assert "usage" not in "".join(events)
    assert all(chunk["choices"] for chunk in chunks_of(events))


@pytest.mark.parametrize("framing", ["crlf", "cr", "lf"])
@pytest.mark.parametrize("more", [{"drip": True}, {"comments": True}, {"close_delimited": True}])
async def test_stream_with_other_framing_is_sent_as_plain_data_lines(shared_gateway, upstream, framing, more):
    answer, events = await stream(shared_gateway, upstream, {"framing": framing, **more})
    assert b"\r" not in answer.content
    assert text_of(events) == " word" * 5
    assert events[-1] == DONE


async def test_all_choices_of_a_stream_are_delivered(shared_gateway, upstream):
    _, events = await stream(shared_gateway, upstream, {}, n=3)
    choices = [choice for chunk in chunks_of(events) for choice in chunk["choices"]]
    assert {choice["index"] for choice in choices} == {0, 1, 2}
    assert sum(1 for choice in choices if choice["finish_reason"] == "stop") == 3


async def test_a_finished_stream_without_done_is_complete(shared_gateway, upstream):
    answer, events = await stream(shared_gateway, upstream, {"end": "no_done"})
    assert events[-1] == DONE
    assert text_of(events) == " word" * 5
    assert "error" not in answer.text


async def test_a_chunk_of_half_a_megabyte_passes(shared_gateway, upstream):
    _, events = await stream(shared_gateway, upstream, {"huge": 500_000}, "roomy")
    assert len(text_of(events)) == 500_000 + 5 * len(" word")


async def test_bytes_inside_a_chunk_are_unchanged(shared_gateway, upstream):
    theirs = (
        '{"id":"x","created":1.50,"model":"%s","choices":[{"index":0,'
        '"delta":{"content":"\\u00e9 \\"model\\": \\"%s\\""},'
        '"logprobs":{"content":[{"token":"a","logprob":-0.10}]},"finish_reason":"stop"}],"unknown":{"b":1,"a":2}}'
    )
    _, events = await stream(
        shared_gateway, upstream, {"kind": "events", "events": [theirs % ("other", "other"), DONE]}
    )
    assert events == [theirs % (MODEL, "other"), DONE]


async def test_tool_calls_stream_through(shared_gateway, upstream):
    def chunk(delta, reason="null"):
        return f'{{"id":"x","model":"{MODEL}","choices":[{{"index":0,"delta":{delta},"finish_reason":{reason}}}]}}'

    said = [
        chunk(
            '{"tool_calls":[{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":""}}]}'
        ),
        chunk('{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}'),
        chunk("{}", '"tool_calls"'),
    ]
    _, events = await stream(shared_gateway, upstream, {"kind": "events", "events": [*said, DONE]})
    assert events == [*said, DONE]


async def test_first_chunk_is_sent_before_the_last_one_is_produced(shared_gateway, upstream):
    upstream.script(UPSTREAM, {"hold_after": 1})
    async with (
        shared_gateway.client(sample.ALICE) as client,
        client.stream("POST", "/v1/chat/completions", json=question(MODEL, stream=True)) as answer,
    ):
        parts = answer.aiter_text()
        received = ""
        while " word" not in received:
            received += await anext(parts)
        assert DONE not in received
        upstream.release(call=answer.headers["x-request-id"])
        received += "".join([part async for part in parts])
    assert received.endswith(f"data: {DONE}\n\n")
