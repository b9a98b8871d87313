"""Two documents in one: a name at the top is there twice, and readers of JSON use the last. No upstream model name is
left, the usage of both is counted, and a client gets the same as without a gateway.
"""

from __future__ import annotations

import json

import msgspec
import pytest

from providers.dialects.base import ParsedEvent, Shape
from providers.dialects.lenient.large_events import parse_event
from providers.dialects.lenient.large_responses import answered, parse_response
from providers.dialects.openai.passthrough import OpenAIToOpenAI
from providers.json_scan.limits import MalformedAnswer
from providers.reported_usage.places import usage_in, usage_of_twins
from providers.usage import Usage
from tests.support.clients.direct_client import as_ours, view

HEAD = b'"id":"c","model":"up-model"'
SAID = b'"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14}'
CHOICE = b'"choices":[{"index":0,"delta":{"content":"word"},"finish_reason":"stop"}]'
GROWN = b'"usage":{"prompt_tokens":9,"completion_tokens":2}'
ODD = b'"choices":[{"index":"0","delta":{"content":["word"]},"finish_reason":"stop"}]'
TOGETHER: dict[str, list[bytes]] = {
    "the usage first": [HEAD, SAID, HEAD, CHOICE, b'"usage":null'],
    "the usage last": [HEAD, CHOICE, b'"usage":null', HEAD, CHOICE, SAID],
    "the usage between": [HEAD, b'"usage":null', CHOICE, SAID, HEAD, b'"usage":null'],
    "the smaller usage last": [HEAD, CHOICE, SAID, HEAD, GROWN],
    "a usage that is a list": [HEAD, CHOICE, SAID, b'"usage":[]'],
    "a usage that is a text": [HEAD, CHOICE, SAID, HEAD, b'"usage":"none"'],
    "three of them": [HEAD, SAID, HEAD, GROWN, HEAD, CHOICE, b'"usage":null'],
    "with blanks": [HEAD, b'\t"usage" : {"prompt_tokens":9,"completion_tokens":5} ', CHOICE, b' "usage" :null'],
    "choices of another shape": [HEAD, SAID, HEAD, ODD, b'"usage":null'],
    "choices twice": [HEAD, CHOICE, SAID, HEAD, CHOICE, b'"usage":null'],
    "a name in escapes": [HEAD, CHOICE, SAID, b'"m\\u006fdel":"up-model"', b'"usage":null'],
}  # fmt: skip
FIRST = (
    b'data: {%b,"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"usage":null}\n\n' % HEAD
)


def counts(usage: Usage | None) -> tuple[int, int]:
    assert usage is not None
    return usage.total_input_tokens, usage.total_output_tokens


@pytest.fixture(params=TOGETHER)
def document(request):
    return b"{" + b",".join(TOGETHER[request.param]) + b"}"


@pytest.mark.parametrize("before", [b"", FIRST, FIRST + FIRST])
@pytest.mark.parametrize("includes_usage", [False, True])
def test_an_event_is_seen_as_a_direct_client_sees_it(document, before, includes_usage):
    shape = Shape(alias="chat", path="chat/completions", stream=True, include_usage=includes_usage)
    stream = OpenAIToOpenAI(shape).stream()
    sent = before + b"data: " + document + b"\n\n"
    out = stream.feed(sent) + stream.end()
    assert b"up-model" not in out
    assert stream.done
    assert counts(stream.usage) == (9, 5)
    told = [as_ours(each, "chat", includes_usage=includes_usage) for each in view([sent]).documents]
    assert view([out]).documents == [each for each in told if each is not None]


def test_a_large_event_is_read_in_the_same_way(document):
    seen = msgspec.msgpack.decode(msgspec.msgpack.encode(parse_event(document)), type=ParsedEvent)
    assert seen.usage is not None
    assert (seen.usage.prompt_tokens, seen.usage.completion_tokens) == (9, 5)
    stream = OpenAIToOpenAI(Shape(alias="chat", path="chat/completions", stream=True)).stream()
    stream.large = document
    assert b"up-model" not in stream.resume(seen)
    assert counts(stream.usage) == (9, 5)


@pytest.mark.parametrize("is_large", [False, True])
def test_answer_is_billed(document, is_large):
    shape, raw = Shape(alias="chat", path="chat/completions"), document.replace(b'"delta"', b'"message"')
    found = (
        answered(raw, parse_response(raw, shape), shape) if is_large else OpenAIToOpenAI(shape).response(raw)
    )
    assert counts(found.usage) == (9, 5)
    assert not found.produced
    assert b"up-model" not in found.body
    assert json.loads(found.body) == {**json.loads(raw), "model": "chat"}


def test_unusable_answer_is_billed(document):
    raw = document.replace(b'"choices"', b'"choice"')
    with pytest.raises(MalformedAnswer) as failed:
        OpenAIToOpenAI(Shape(alias="chat", path="chat/completions")).response(raw)
    assert counts(failed.value.usage) == (9, 5)
    assert usage_in(raw) == failed.value.usage


ODD_VALUES = {
    "beyond a double": b"1e999",
    "beyond 64 bits": b"1" + b"0" * 30,
    "of many digits": b"9" * 5_000,
    "deep": b"[" * 400 + b"]" * 400,
    "no number": b"NaN",
    "no UTF-8": b'"\xff"',
    "half an emoji": b'"\\ud83d"',
}


@pytest.mark.parametrize("name", ODD_VALUES)
def test_values_that_readers_refuse_lose_no_usage_that_stands_twice(name):
    shape, odd = Shape(alias="chat", path="chat/completions"), ODD_VALUES[name]
    said = SAID[:-1] + b',"x":%b}' % odd
    for twins in ([said, b'"usage":null'], [b'"usage":null', said], [SAID, b'"usage":{"seconds":%b}' % odd]):
        raw = b"{" + b",".join([HEAD, CHOICE, *twins]) + b"}"
        seen = msgspec.msgpack.decode(msgspec.msgpack.encode(parse_event(raw)), type=ParsedEvent)
        assert seen.usage is not None
        assert (seen.usage.prompt_tokens, seen.usage.completion_tokens) == (9, 5)
        stream = OpenAIToOpenAI(shape).stream()
        stream.feed(FIRST + b"data: " + raw + b"\n\n")
        found = OpenAIToOpenAI(shape).response(raw).usage
        told = (stream.usage, found, parse_response(raw, shape).usage, usage_in(raw))
        assert [counts(each) for each in told] == [(9, 5)] * 4


def test_figures_that_no_pipe_carries_end_no_large_event():
    for figure in (b'"prompt_tokens":%d' % 10**30, b'"prompt_tokens_details":{"cached_tokens":%d}' % 10**30):
        raw = b'{%b,%b,"usage":{"completion_tokens":5,%b}}' % (HEAD, CHOICE, figure)
        for each, is_error in ((raw, False), (raw.replace(CHOICE, b'"error":"full"'), True)):
            seen = msgspec.msgpack.decode(msgspec.msgpack.encode(parse_event(each)), type=ParsedEvent)
            assert (seen.malformed, seen.error is not None) == ("", is_error)
            assert seen.usage is not None
            assert seen.usage.completion_tokens == 5


@pytest.mark.parametrize(
    "raw",
    [
        b"{%b}" % SAID,
        b'{%b,"a":{%b}}' % (SAID, GROWN),
        b'{"a":{%b,%b}}' % (SAID, GROWN),
        b'{"a":"%b","b":"%b"}' % ((SAID.replace(b'"', b'\\"'),) * 2),
        b"{%b,%b" % (SAID, GROWN),
        b"[%b,%b]" % (SAID, GROWN),
        b'{"usage":null,"usage":[]}',
    ],
)  # fmt: skip
def test_what_is_no_twin_says_nothing(raw):
    assert usage_of_twins(raw) is None


@pytest.mark.parametrize(
    "event",
    [
        b'{"usage":null,"choices":[{"delta":{"content":"\\ude00"},"finish_reason":"stop"}]}',
        b'{"choices":[{"delta":{"content":"\\ude00"},"finish_reason":"stop"}],"usage":null}',
        b'{"id":"c" , "usage" : null , "choices":[{"delta":{"content":"\\ud83d"},"finish_reason":"stop"}]}',
        b'{"model":"up-model","usage":null,"choices":[{"delta":{"content":"\\ud83d"},"finish_reason":"stop"}]}',
    ],
)
def test_an_unrequested_null_is_removed_also_beside_half_an_emoji(event):
    stream = OpenAIToOpenAI(Shape(alias="chat", path="chat/completions", stream=True)).stream()
    out = stream.feed(b"data: " + event + b"\n\n")
    told = json.loads(event)
    del told["usage"]
    assert view([out]).documents == [told | ({"model": "chat"} if "model" in told else {})]
