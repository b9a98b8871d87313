"""`model` and usage are found in every spelling, also if they change within a stream."""

from __future__ import annotations

import json

import pytest

from providers.dialects.base import Shape
from providers.dialects.openai.chunks import decode_chunk
from providers.dialects.openai.model_alias import Aliased
from providers.dialects.openai.passthrough import OpenAIToOpenAI

SPELLED = [
    b'{"model":"up","choices":[],"usage":null}',
    b'{"model": "up", "choices": [], "usage": null}',
    b'{"model"\t:\t"up","usage" : null,"choices":[]}',
    b'{"choices":[],"usage":\n null,"model" :"u\\"p","obfuscation":"x"}',
    b'{"model":"other","choices":[],  "usage":null}',
    b'{"model":"chat","choices":[],"usage":null}',
    b'{"model":"up","choices":[],"a":{"model":"up"},"usage":null}',
]


def told(aliased: Aliased, data: bytes) -> bytes:
    out: list[bytes] = []
    aliased.event(data, decode_chunk(data), out)
    return b"".join(out)[6:-2]


@pytest.mark.parametrize("first", SPELLED)
@pytest.mark.parametrize("then", SPELLED)
def test_a_chunk_is_rewritten_whatever_came_before(first, then):
    aliased = Aliased("chat", drops_null=True)
    for data in (first, then, first, then):
        given, found = json.loads(data), json.loads(told(aliased, data))
        del given["usage"]
        assert found == {**given, "model": "chat"}


@pytest.mark.parametrize(
    "data",
    [
        b'{"choices":[]}',
        b'{"choices":[{"delta":{"content":",\\"usage\\":null \\"model\\":\\"up\\""}}]}',
        b'{"usage":{"prompt_tokens":1},"choices":[]}',
        b'{"choices":[{"delta":{"content":"usage model"}}],"no_usage":null}',
        b"{}",
    ],
)
def test_text_that_only_looks_like_the_model_member_passes(data):
    aliased = Aliased("chat", drops_null=True)
    told(aliased, SPELLED[0])
    assert told(aliased, data) == data


def test_the_name_of_a_part_does_not_stand_for_the_name_of_the_answer():
    aliased = Aliased("chat", drops_null=True)
    assert told(aliased, b'{"model": "up","a":{"model":"chat"}}') == b'{"model":"chat","a":{"model":"chat"}}'


@pytest.mark.parametrize("first", SPELLED)
def test_a_stream_with_its_usage_asked_for_keeps_what_says_none(first):
    event = b"data: " + first.replace(b"\n", b" ").replace(b"[]", b'[{"delta":{"content":"a"}}]') + b"\n\n"
    for asked in (True, False):
        shape = Shape(alias="chat", path="chat/completions", stream=True, include_usage=asked)
        out = OpenAIToOpenAI(shape).stream().feed(event)
        assert ("usage" in json.loads(out[6:])) is asked
