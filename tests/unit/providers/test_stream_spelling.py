"""What a provider writes beside the answer is found however it spells it, and also where it changes its mind."""

from __future__ import annotations

import json

import pytest

from providers.dialects.base import Shape
from providers.dialects.openai_openai import OpenAIToOpenAI
from providers.dialects.spelling import Spelling

SPELLED = [
    b'{"model":"up","choices":[],"usage":null}',
    b'{"model": "up", "choices": [], "usage": null}',
    b'{"model"\t:\t"up","usage" : null,"choices":[]}',
    b'{"choices":[],"usage":\n null,"model" :"u\\"p","obfuscation":"x"}',
    b'{"model":"other","choices":[],  "usage":null}',
    b'{"model":"chat","choices":[],"usage":null}',
    b'{"model":"up","choices":[],"a":{"model":"up"},"usage":null}',
]


def told(spelling: Spelling, data: bytes) -> bytes:
    return spelling.with_own_model(spelling.without_null_usage(data))


@pytest.mark.parametrize("first", SPELLED)
@pytest.mark.parametrize("then", SPELLED)
def test_a_chunk_is_told_in_our_words_whatever_came_before(first, then):
    spelling = Spelling(b'"chat"')
    for data in (first, then, first, then):
        given, found = json.loads(data), json.loads(told(spelling, data))
        del given["usage"]
        assert found == {**given, "model": "chat", **({"a": {"model": "chat"}} if "a" in given else {})}


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
def test_what_only_looks_like_it_passes(data):
    spelling = Spelling(b'"chat"')
    told(spelling, SPELLED[0])
    assert told(spelling, data) == data


def test_the_name_of_a_part_does_not_stand_for_the_name_of_the_answer():
    spelling = Spelling(b'"chat"')
    assert told(spelling, b'{"model": "up","a":{"model":"chat"}}') == b'{"model":"chat","a":{"model":"chat"}}'


@pytest.mark.parametrize("first", SPELLED)
def test_a_stream_with_its_usage_asked_for_keeps_what_says_none(first):
    event = b"data: " + first.replace(b"\n", b" ").replace(b"[]", b'[{"delta":{"content":"a"}}]') + b"\n\n"
    for asked in (True, False):
        shape = Shape(alias="chat", path="chat/completions", stream=True, include_usage=asked)
        out = OpenAIToOpenAI(shape).stream().feed(event)
        assert ("usage" in json.loads(out[6:])) is asked
