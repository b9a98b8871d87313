"""Chat completions in front of every API of every vendor: what is said, how it ends, and what it costs."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.functional.providers.matrix.asking import Asking, check_refused
from tests.functional.providers.matrix.chat import (
    MARKED,
    PAPER,
    PICTURE,
    SCHEMA,
    TOOLS,
    both,
    reply_of,
    results_of,
    streamed,
    user,
)
from tests.functional.providers.matrix.rows import ROWS

UPSTREAMS = pytest.mark.parametrize("up", ROWS, ids=[up.alias for up in ROWS])
FILTERED = {"claude": "content_filter", "gemini": "content_filter", "other": "content_filter"}
SEALED = ("signature", "thoughtSignature", "encrypted_content", "reasoningContent")


@pytest.fixture(scope="module")
def asking(matrix, vendors):
    made = Asking(matrix, vendors, "/v1/chat/completions")
    yield made
    asyncio.run(made.check_ledger())


@UPSTREAMS
async def test_plain(asking, up):
    reply, _ = await both(asking, up, {"messages": user("Tell me about roses")})
    assert (reply.finish, reply.calls, reply.refusal) == ("stop", [], "")
    assert reply.text


@UPSTREAMS
async def test_tools_and_their_results(asking, up):
    body = {"messages": user("[tools] Is Rome nice?"), "tools": TOOLS}
    for reply in await both(asking, up, body):
        assert (reply.finish, [name for name, _ in reply.calls]) == ("tool_calls", ["weather"])
        assert json.loads(reply.calls[0][1])["city"]
        history = [*body["messages"], reply.message, *results_of(reply)]
        last, _ = await both(asking, up, {**body, "messages": history})
        assert (last.finish, last.calls) == ("stop", [])
        assert b"It is sunny there." in asking.sent(up)["body"]


@UPSTREAMS
async def test_parallel_tools_and_their_results(asking, up):
    body = {"messages": user("[parallel tools] Is Rome nice?"), "tools": TOOLS}
    for reply in await both(asking, up, body):
        assert (reply.finish, [name for name, _ in reply.calls]) == ("tool_calls", ["weather", "population"])
        assert len({call["id"] for call in reply.message["tool_calls"]}) == 2
        history = [*body["messages"], reply.message, *results_of(reply)]
        last, _ = await both(asking, up, {**body, "messages": history})
        assert (last.finish, last.calls) == ("stop", [])


@UPSTREAMS
@pytest.mark.parametrize("part", [PICTURE, PAPER], ids=["vision", "document"])
async def test_pictures_and_documents(asking, up, part):
    body = {"messages": user([{"type": "text", "text": "What is that?"}, part])}
    if (
        up.alias == "huggingface" and part is PICTURE
    ):  # DeepSeek reads text only; other parts pass as they are
        check_refused(await asking.post(up.alias, body), "image")
        return
    reply, _ = await both(asking, up, body)
    data = next(each for each in part[part["type"]].values() if each.startswith("data:"))
    assert data.partition(",")[2].encode() in asking.sent(up)["body"]
    assert reply.finish == "stop"


@UPSTREAMS
async def test_a_json_schema(asking, up):
    body = {"messages": user("Who was it?"), "response_format": SCHEMA}
    reply, _ = await both(asking, up, body)
    assert reply.finish == "stop"
    assert set(json.loads(reply.text)) == {"name", "age"}


@pytest.mark.parametrize("up", [up for up in ROWS if up.thinks], ids=lambda up: up.alias)
async def test_thinking_with_history(asking, up):
    body = {"messages": user("[think] [tools] Is Rome nice?"), "tools": TOOLS, "reasoning_effort": "high"}
    for reply in await both(asking, up, body):
        assert reply.finish == "tool_calls"
        history = [*body["messages"], reply.message, *results_of(reply)]
        last, _ = await both(asking, up, {**body, "messages": history})
        assert last.finish == "stop"
        sent = asking.sent(up)["body"].decode()
        assert any(f'"{name}"' in sent for name in SEALED), sent


@UPSTREAMS
async def test_a_long_system_prompt_is_read_from_the_cache(asking, up):
    body = {"messages": [MARKED, *user("Tell me about roses")]}
    await both(asking, up, body)
    reply, _ = await both(asking, up, {"messages": [MARKED, *user("Tell me about tulips")]})
    assert reply.usage["prompt_tokens_details"]["cached_tokens"] > 1024


@UPSTREAMS
async def test_a_refusal(asking, up):
    reply, _ = await both(asking, up, {"messages": user("[refuse] How?")})
    assert reply.finish == FILTERED.get(up.family, "stop") or reply.refusal
    assert up.family != "openai" or reply.refusal


@UPSTREAMS
async def test_a_length(asking, up):
    body = {"messages": user("[long] Tell me about roses"), "max_completion_tokens": 60}
    reply, _ = await both(asking, up, body)
    assert (reply.finish, reply.usage["completion_tokens"] <= 60) == ("length", True)


@UPSTREAMS
async def test_two_turns_begin_with_the_same_bytes(asking, up):
    first = await asking.post(up.alias, {"messages": user("Tell me about roses")})
    before = asking.sent(up)["body"]
    history = [*user("Tell me about roses"), reply_of(first).message, *user("And tulips?")]
    second = await asking.post(up.alias, streamed({"messages": history}))
    reply_of(second)
    after = asking.sent(up)["body"]
    place = before.index(b"Tell me about roses")
    assert after.startswith(before[: place + len(b"Tell me about roses")])
