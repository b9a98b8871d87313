"""A stream that breaks after its first content ends with an error event, without [DONE]: never a silent truncation."""

from __future__ import annotations

import json

import pytest
from openai import APIError

from tests.support import sample
from tests.support.books.ledger import row_of
from tests.support.clients.raw_calls import question

MODEL, UPSTREAM = "m5", "up-m5"
IMPATIENT = sample.FAILING[-1]
BREAKS = {
    "cut": "upstream_error",
    "drop": "upstream_error",
    "reset": "upstream_error",
    "stall": "upstream_timeout",
    "error": "upstream_error",
    "malformed": "upstream_error",
}


async def events_of(gateway, upstream, behavior):
    model = IMPATIENT if behavior["end"] == "stall" else MODEL
    upstream.script(f"up-{model}", behavior)
    async with gateway.client(sample.BOB) as client:
        answer = await client.post("/v1/chat/completions", json=question(model, stream=True))
    assert answer.status_code == 200
    return answer, [json.loads(block[6:]) for block in answer.text.split("\n\n") if block]


@pytest.mark.parametrize("end", BREAKS)
async def test_broken_stream_ends_with_an_error_event_and_no_done(shared_gateway, upstream, end):
    answer, events = await events_of(shared_gateway, upstream, {"end": end, "after": 2})
    assert "[DONE]" not in answer.text
    *chunks, last = events
    assert last["error"]["code"] == BREAKS[end]
    assert set(last["error"]) == {"message", "type", "param", "code"}
    text = "".join(c["delta"].get("content", "") for chunk in chunks for c in chunk["choices"])
    assert text == " word" * 2


@pytest.mark.parametrize("end", BREAKS)
async def test_a_break_before_the_first_content_is_an_ordinary_error(shared_gateway, upstream, end):
    model = IMPATIENT if end == "stall" else MODEL
    upstream.script(f"up-{model}", {"end": end, "after": 0})
    async with shared_gateway.client(sample.BOB) as client:
        answer = await client.post("/v1/chat/completions", json=question(model, stream=True))
    assert answer.status_code == (504 if end == "stall" else 502)
    assert answer.json()["error"]["code"] == BREAKS[end]


@pytest.mark.parametrize("end", ["cut", "reset", "malformed"])
async def test_official_client_raises_on_a_broken_stream(shared_gateway, upstream, end):
    upstream.script(UPSTREAM, {"end": end, "after": 2})
    received = ""
    async with shared_gateway.openai(sample.BOB) as client:
        stream = await client.chat.completions.create(**question(MODEL, stream=True))
        with pytest.raises(APIError):  # noqa: PT012 - what came before it is asked for too
            async for chunk in stream:
                received += chunk.choices[0].delta.content or ""
    assert received == " word" * 2


async def test_a_broken_stream_is_one_incomplete_row_with_what_was_produced(shared_gateway, upstream):
    answer, _ = await events_of(shared_gateway, upstream, {"end": "cut", "after": 3})
    row = await row_of(shared_gateway, answer.headers["x-request-id"])
    assert (row["status"], row["estimated"], row["output_tokens"]) == ("incomplete", True, 3)


async def test_no_words_of_the_provider_leak_with_the_error(shared_gateway, upstream):
    answer, _ = await events_of(shared_gateway, upstream, {"end": "error", "after": 1})
    assert UPSTREAM not in answer.text
    assert "127.0.0.1" not in answer.text
