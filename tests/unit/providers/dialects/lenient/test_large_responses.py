"""A large answer gives the same as a small one; its content is read only if it does not state its usage."""

from __future__ import annotations

import json

import msgspec
import pytest

from providers.dialects.base import Shape
from providers.dialects.lenient.large_responses import (
    LargeResponse,
    answered,
    parse_response,
    read_large_response,
)
from providers.dialects.openai.passthrough import OpenAIToOpenAI
from providers.json_scan.limits import MalformedAnswer
from providers.processes.heavy_work import HeavyWork

CHAT = Shape(alias="chat", path="chat/completions")
EMBED = Shape(alias="embed", path="embeddings", content_key="data")
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
CHOICES = [{"index": 0, "message": {"role": "assistant", "content": "hällo"}, "finish_reason": "stop"}]
ANSWERS: dict[str, tuple[Shape, bytes]] = {
    "chat": (CHAT, json.dumps({"model": "up", "choices": CHOICES, "usage": USAGE}).encode()),
    "a tier": (CHAT, json.dumps({"choices": CHOICES, "usage": USAGE, "service_tier": "flex"}).encode()),
    "no usage": (CHAT, json.dumps({"model": "up", "choices": CHOICES}).encode()),
    "zeros": (CHAT, json.dumps({"choices": CHOICES, "usage": dict.fromkeys(USAGE, 0)}).encode()),
    "embeddings": (
        EMBED,
        json.dumps({"data": [{"embedding": [0.5] * 9}], "model": "up", "usage": USAGE}).encode(),
    ),
    "data in one text": (EMBED, b'{"data":"AAAA","usage":{"prompt_tokens":3}}'),
    "model twice": (
        CHAT,
        b'{"model":"a","choices":[{}],"model":"b","usage":{"prompt_tokens":3,"completion_tokens":1}}',
    ),
    "model in escapes": (CHAT, b'{"choices":[{}],"mod\\u0065l":"b"}'),
    "white space before": (CHAT, b"\n \n" * 99 + b'{"choices":[{}], "model" : "b"}'),
    "an error": (CHAT, b'{"choices":[],"error":{"message":"no"}}'),
    "no error": (CHAT, b'{"choices":[{}],"error":null}'),
    "a long error": (CHAT, b'{"choices":[],"error":"' + b"e" * 70_000 + b'"}'),
    "no choices": (CHAT, b'{"usage":{"prompt_tokens":3,"completion_tokens":1}}'),
    "choices of another kind": (CHAT, b'{"choices":{},"usage":{"prompt_tokens":3,"completion_tokens":1}}'),
    "an empty list of choices": (CHAT, b'{"choices":[],"model":"up"}'),
    "half of an emoji": (CHAT, b'{"model":"up","choices":[{"message":{"content":"\\ud83d"}}]}'),
    "content in parts": (
        CHAT,
        b'{"model":"up","choices":[{"message":{"content":[{"type":"text","text":"a"}]}}]}',
    ),
    "a choice that failed": (CHAT, b'{"choices":[{"finish_reason":"error","message":{"content":"a"}}]}'),
    "choices that are null": (CHAT, b'{"choices":null}'),
    "a list": (CHAT, b"[]"),
    "cut": (CHAT, b'{"choices":[{"message":{"content":"x'),
    "HTML": (CHAT, b"<html></html>"),
    "nothing": (CHAT, b""),
}


def small(shape, raw):
    try:
        found = OpenAIToOpenAI(shape).response(raw)
    except MalformedAnswer:
        return "malformed"
    return json.loads(found.body), found.usage, found.produced


def large(shape, raw):
    seen = msgspec.msgpack.decode(msgspec.msgpack.encode(parse_response(raw, shape)), type=LargeResponse)
    try:
        found = answered(raw, seen, shape)
    except MalformedAnswer:
        return "malformed"
    return json.loads(found.body), found.usage, found.produced


@pytest.mark.parametrize("name", ANSWERS)
def test_a_large_response_is_read_like_a_small_one(name):
    shape, raw = ANSWERS[name]
    assert large(shape, raw) == small(shape, raw)


def test_a_detail_of_any_size_is_no_reason_to_lose_an_answer():
    raw = b'{"choices":[{}],"usage":{"prompt_tokens":[' + b"1," * 60_000 + b'1]},"system_fingerprint":"x"}'
    assert large(CHAT, raw) == (json.loads(raw), None, "")


@pytest.mark.parametrize("blanks", [b"\n\n", b" " * 300_000, b"\r\n\t " * 100_000])
async def test_blanks_that_kept_the_connection_alive_are_no_part_of_it(blanks):
    """DeepSeek and OpenRouter send them until the answer is ready."""
    heavy = HeavyWork()
    for name, (shape, raw) in ANSWERS.items():
        if large(shape, raw) != "malformed":
            found = await read_large_response(heavy.share(1), shape, blanks + raw)
            assert (json.loads(found.body), found.usage, found.produced) == small(shape, raw), name
    heavy.close()


async def test_an_answer_that_takes_too_much_is_malformed(monkeypatch):
    monkeypatch.setattr("providers.processes.heavy_work.CPU_S", 0.001)
    monkeypatch.setattr("providers.processes.heavy_work.CPU_S_PER_MB", 0.0)
    heavy = HeavyWork()
    with pytest.raises(MalformedAnswer, match="could not be read"):
        await read_large_response(heavy.share(1), CHAT, b'{"choices":[' + b"{}," * 500_000 + b"{}]}")
    heavy.close()
