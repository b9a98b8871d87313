"""Reported usage counts as the whole of a call only if no content can have come after it."""

from __future__ import annotations

import json

import pytest

from providers.dialects.base import Shape, final_usage, has_complete_usage
from providers.dialects.openai.passthrough import OpenAIToOpenAI
from providers.framing.malformed import MalformedStream
from providers.json_scan.limits import MalformedAnswer
from providers.reported_usage.places import usage_in
from providers.usage import Usage

CHAT = Shape(alias="chat", path="chat/completions", stream=True)
EMBED = Shape(alias="embed", path="embeddings", content_key="data")
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
ZEROS = {"prompt_tokens": 0, "total_tokens": 0}
SAID_5 = {"prompt_tokens": 5, "total_tokens": 5}


def event(*choices, **more):
    return b"data: " + json.dumps({"id": "x", "choices": list(choices), **more}).encode() + b"\n\n"


def words(text="word", index=0, **choice):
    return {"index": index, "delta": {"content": text}, **choice}


def stop(index=0):
    return {"index": index, "delta": {}, "finish_reason": "stop"}


TOLD = event(usage=USAGE)
DONE = b"data: [DONE]\n\n"
ERROR = b'data: {"error": {"message": "no"}}\n\n'
WHOLE = {
    "at the end": [event(words()), event(stop()), TOLD],
    "beside the finish": [event(words()), event(stop(), usage=USAGE)],
    "beside the last words, which finish": [event(words(finish_reason="stop"), usage=USAGE)],
    "in each event": [event(words(), usage=USAGE), event(stop(), usage=USAGE)],
    "in each event, two choices": [
        event(words(), usage=USAGE),
        event(words(index=1), usage=USAGE),
        event(stop(), usage=USAGE),
        event(stop(1), usage=USAGE),
    ],
    "without a finish, then [DONE]": [event(words()), TOLD, DONE],
}
ON_THE_WAY = {
    "before the first words": [TOLD, event(words()), event(stop())],
    "beside the first words": [event(words(), usage=USAGE), event(words()), event(stop()), DONE],
    "between the words, and nothing more came": [event(words()), TOLD],
    "beside the last words that came": [event(words()), event(words(), usage=USAGE)],
    "before the finish, behind which hidden words may be": [event(words()), TOLD, event(stop()), DONE],
    "while another choice runs": [event(words(), words(index=1)), event(stop()), TOLD],
    "before tool arguments": [
        event(words()),
        TOLD,
        event({"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}}),
        event(stop()),
    ],
    "before sound": [TOLD, event({"index": 0, "delta": {"audio": {"data": "AAAA"}}}), event(stop())],
    "before an error behind words": [event(words()), TOLD, ERROR],
    "and at the end one that cannot be": [
        event(words(), usage=USAGE),
        event(stop()),
        event(usage={"prompt_tokens": -1, "completion_tokens": -1}),
    ],
    "never": [event(words()), event(stop()), DONE],
}


def read(blocks):
    stream = OpenAIToOpenAI(CHAT).stream()
    for block in blocks:
        stream.feed(block)
    return stream


@pytest.mark.parametrize("kind", WHOLE)
def test_usage_behind_which_nothing_comes_is_of_the_whole_answer(kind):
    assert has_complete_usage(read(WHOLE[kind]))


@pytest.mark.parametrize("kind", ON_THE_WAY)
def test_usage_reported_before_the_end_is_not_whole(kind):
    assert not has_complete_usage(read(ON_THE_WAY[kind]))


def test_a_stream_that_becomes_invalid_has_incomplete_usage():
    stream = OpenAIToOpenAI(CHAT).stream()
    stream.feed(TOLD)
    with pytest.raises(MalformedStream):
        stream.feed(b"data: {oops\n\n")
    assert final_usage(stream) is None


@pytest.mark.parametrize("usage", [ZEROS, {"prompt_tokens": 0}, {"prompt_tokens": 0, "completion_tokens": 0}])
def test_zeros_for_vectors_are_no_usage(usage):
    body = json.dumps({"data": [{"index": 0, "embedding": [0.1]}], "usage": usage}).encode()
    assert usage_in(body, has_output=False) is None


def test_vectors_have_no_output_and_have_said_all_the_same():
    body = json.dumps({"data": [{"index": 0, "embedding": [0.1]}], "usage": SAID_5}).encode()
    assert OpenAIToOpenAI(EMBED).response(body).usage == Usage(input_tokens=5)
    assert usage_in(body, has_output=False) == Usage(input_tokens=5)
    assert usage_in(body) is None  # of a chat it would be half of it


@pytest.mark.parametrize(
    "body", [{"usage": SAID_5}, {"error": {"message": "no"}, "data": [], "usage": SAID_5}]
)
def test_vectors_that_are_no_use_say_what_they_cost(body):
    with pytest.raises(MalformedAnswer) as fault:
        OpenAIToOpenAI(EMBED).response(json.dumps(body).encode())
    assert fault.value.usage == Usage(input_tokens=5)
