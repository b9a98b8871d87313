"""A conversation that is too large for the event loop is translated in another process: nothing of it changes."""

from __future__ import annotations

import base64
import json

import msgspec
import pytest

from tests.functional.messages.test_translated_calls import call, events_of
from tests.support.clients.media import png

DATA = base64.b64encode(png(64, 64, 400_000)).decode()
TEXT = 'It said "yes".\n'
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}}
LARGE = [{"type": "text", "text": TEXT}, IMAGE]
UPSTREAM = "up-m11"


def turns(last):
    return [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": last},
    ]


@pytest.mark.parametrize("stream", [False, True])
async def test_it_is_sent_whole(shared_gateway, upstream, stream):
    upstream.script(UPSTREAM, {})
    tools = [{"name": "f", "input_schema": {"type": "object"}}]
    asked = {"system": "Be kind", "tools": tools, "stop_sequences": ["END"], "stream": stream}
    await call(shared_gateway, {**asked, "messages": turns("small")})
    small = upstream.seen(model=UPSTREAM)[-1]["body"]
    answer = await call(shared_gateway, {**asked, "messages": turns(LARGE)})
    assert answer.status_code == 200, answer.text
    large = upstream.seen(model=UPSTREAM)[-1]["body"]  # its beginning is kept
    before = small[: small.index('"small"')]
    assert large.startswith(before)
    assert '"Be kind"' in before
    shown = [{"type": "text", "text": TEXT}, {"type": "image_url"}]
    assert large[len(before) :].startswith(msgspec.json.encode(shown).decode().removesuffix("}]"))
    assert f"data:image/png;base64,{DATA[:40]}" in large
    written = (
        "".join(event["delta"].get("text", "") for event in events_of(answer) if "delta" in event)
        if stream
        else answer.json()["content"][0]["text"]
    )
    assert written == " word" * 5


async def test_what_it_may_not_say_is_refused_by_name(shared_gateway):
    wrong = {"type": "tool_result", "tool_use_id": 7, "content": "x"}
    answers = [
        await call(shared_gateway, {"messages": [*turns(text), {"role": "user", "content": [wrong]}]})
        for text in ("small", LARGE)
    ]
    small, large = [json.loads(answer.text)["error"] for answer in answers]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert large == small
