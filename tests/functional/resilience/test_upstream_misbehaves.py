"""The scripted upstream does what its script says, and its books have what it did."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from openai import AsyncOpenAI

from providers.tokens.count import count

QUESTION = [{"role": "user", "content": "hi"}]


@pytest.fixture
async def client(upstream):
    async with AsyncOpenAI(api_key="k", base_url=upstream.base_url, max_retries=0, timeout=20) as client:
        yield client


@pytest.fixture
async def raw(upstream):
    async with httpx.AsyncClient(base_url=upstream.base_url, timeout=20, trust_env=False) as raw:
        yield raw


def asked(model, *, stream=True, **more):
    return {"json": {"model": model, "messages": QUESTION, "stream": stream, **more}}


async def body_of(raw, model):
    """Return what arrived of a stream, and whether it broke."""
    received = b""
    try:
        async with raw.stream("POST", "/chat/completions", **asked(model)) as answer:
            async for block in answer.aiter_raw():
                received += block
    except httpx.HTTPError:
        return received, True
    return received, False


async def test_fake_provider_answers_like_openai_and_bills_what_it_says(client, upstream):
    headers = {"X-Client-Request-Id": "books-1"}
    answer = await client.chat.completions.create(model="fine", messages=QUESTION, extra_headers=headers)
    await upstream.wait("ended", call="books-1")
    [bill] = upstream.bills()["books-1"]
    assert answer.usage.prompt_tokens == bill["bill"]["prompt_tokens"] == 10
    assert answer.usage.completion_tokens == bill["bill"]["completion_tokens"] == 5
    assert count(answer.choices[0].message.content) == 5
    assert bill["outcome"] == "ok"
    assert "authorization" in bill["headers"]


async def test_fake_provider_streams_choices_and_usage(client):
    stream = await client.chat.completions.create(
        model="fine",
        messages=QUESTION,
        n=2,
        max_tokens=3,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert reasons == ["length", "length"]
    assert chunks[-1].usage.completion_tokens == 6


async def test_fake_provider_embeds(client):
    answer = await client.embeddings.create(model="fine", input=["a", "b"])
    assert len(answer.data) == 2
    assert answer.usage.prompt_tokens == 8


async def test_a_queue_of_behaviors_plays_in_order_and_the_last_repeats(raw, upstream):
    upstream.script(
        "queue", {"kind": "status", "status": 429, "headers": {"Retry-After": "7"}}, {"kind": "ok"}
    )
    answers = [await raw.post("/chat/completions", **asked("queue", stream=False)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 200, 200]
    assert answers[0].headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("end", "broke", "last"),
    [
        ("cut", False, b"word"),
        ("drop", True, b"word"),
        ("reset", True, b"word"),
        ("error", False, b"error"),
        ("malformed", False, b'"choi'),
        ("no_done", False, b"stop"),
    ],
)
async def test_streams_end_as_scripted(raw, upstream, end, broke, last):
    model = f"ends?end={end}&after=2"
    received, was_broken = await body_of(raw, model)
    assert was_broken is broke
    assert b"[DONE]" not in received
    assert last in received.strip().splitlines()[-1]
    assert upstream.seen(model=model)[-1]["bill"]["completion_tokens"] == 2


@pytest.mark.parametrize("framing", ["crlf", "cr"])
async def test_framing_drip_and_comments_keep_the_content(raw, framing):
    received, _ = await body_of(raw, f"framed?framing={framing}&drip=true&comments=true&empty_choices=1")
    lines = received.splitlines()
    assert (b"\r\n" in received) is (framing == "crlf")
    events = [line for line in lines if line.startswith(b"data:")]
    assert lines.count(b": still here") == len(events) == lines.count(b"") / 2
    assert b"data: [DONE]" in lines


@pytest.mark.parametrize(
    ("kind", "status"), [("html", 502), ("wrong_type", 200), ("malformed", 200), ("empty", 200)]
)
async def test_answers_are_wrong_as_scripted(raw, kind, status):
    answer = await raw.post("/chat/completions", **asked(f"wrong?kind={kind}", stream=False))
    assert answer.status_code == status
    assert (answer.headers["content-type"] == "application/json") is (kind in {"malformed", "empty"})
    if kind != "wrong_type":
        with pytest.raises(json.JSONDecodeError):
            answer.json()


@pytest.mark.parametrize("kind", ["truncated", "reset_before_head"])
async def test_connections_break_as_scripted(raw, kind):
    with pytest.raises(httpx.HTTPError):
        await raw.post("/chat/completions", **asked(f"breaks?kind={kind}", stream=False))


@pytest.mark.parametrize(
    "model", ["early?kind=hang_before_head", "early?end=stall&after=1", "early?hold_after=1"]
)
async def test_fake_provider_notices_at_once_that_the_client_went_away(raw, upstream, model):
    event = "arrived" if "before" in model else "chunk"
    call = asyncio.create_task(raw.post("/chat/completions", **asked(model)))
    await upstream.wait(event, model=model)
    call.cancel()
    await asyncio.wait([call])
    [seen] = await upstream.wait("closed", model=model)
    assert seen["closed_early"]
    assert seen["bill"]["completion_tokens"] == (event == "chunk")


async def test_a_held_stream_goes_on_when_released(raw, upstream):
    call = asyncio.create_task(body_of(raw, "held?hold_after=2"))
    await upstream.wait("chunk", model="held?hold_after=2", count=2)
    assert not call.done()
    assert upstream.release(model="held?hold_after=2") == 1
    received, was_broken = await call
    assert not was_broken
    assert received.endswith(b"data: [DONE]\n\n")


async def test_reported_usage_has_details_and_may_lie(raw, upstream):
    upstream.script("liar", {"usage": "double", "cached_tokens": 4, "reasoning_tokens": 3})
    used = (await raw.post("/chat/completions", **asked("liar", stream=False))).json()["usage"]
    assert used["completion_tokens"] == 16
    assert used["prompt_tokens_details"]["cached_tokens"] == 4
    assert upstream.seen(model="liar")[-1]["bill"]["completion_tokens"] == 8


async def test_a_wrong_script_is_refused(upstream):
    with pytest.raises(AssertionError, match="Invalid enum value"):
        upstream.script("x", {"kind": "typo"})


async def test_fake_provider_counts_connections(raw, upstream):
    before = upstream.stats()["accepted"]
    for _ in range(3):
        await raw.post("/chat/completions", **asked("fine", stream=False))
    assert upstream.stats()["accepted"] == before + 1
