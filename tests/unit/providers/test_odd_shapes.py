"""B11, B12, B15 of real providers: shapes that OpenAI does not send pass unchanged, in streams and answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.dialects.base import Shape
from providers.dialects.openai.passthrough import OpenAIToOpenAI

DONE = b"data: [DONE]\n\n"
USED = b'"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14}'
THINKING = b'[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]'
# A member of a delta or message, and the text that counts as produced.
MEMBERS: dict[str, tuple[bytes, str]] = {
    "thinking of Mistral": (b'"content":' + THINKING, "hm"),
    "content in parts": (b'"content":[{"type":"text","text":"42"}]', "42"),
    "content as an object": (b'"content":{"text":"42"}', "42"),
    "content as a number": (b'"content":"a","other":42', "a"),
    "arguments as an object": (b'"tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]', 'f{"a":1}'),
    "arguments as a list": (b'"tool_calls":[{"function":{"name":"f","arguments":["a"]}}]', 'f["a"]'),
    "tool calls as an object": (b'"content":"a","tool_calls":{}', "a"),
    "a call as an object": (b'"tool_calls":{"function":{"name":"f"}}', "f"),
    "reasoning as an object": (b'"content":"a","reasoning":{}', "a"),
    "reasoning in parts": (b'"reasoning":[{"text":"hm"}]', "hm"),
    "a refusal as an object": (b'"content":"a","refusal":{}', "a"),
    "half of an emoji": (b'"content":"\\ud83d"', "\ufffd"),
    "the other half": (b'"content":"a\\uDE00b"', "a\ufffdb"),
    "two halves the wrong way round": (b'"content":"\\ude00\\ud83d"', "\ufffd\ufffd"),
    "half of an emoji in arguments": (b'"tool_calls":[{"function":{"arguments":"\\"\\ud83d"}}]', '"\ufffd'),
    "not a number": (b'"content":"a","logprob":NaN', "a"),
    "infinity": (b'"content":"a","logprobs":[-Infinity,Infinity]', "a"),
    "a picture": (b'"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]', ""),
}
# What stands in a choice beside what it says.
BESIDE = {
    "an index that is null": b'"index":null,"finish_reason":"stop"',
    "an index that is a text": b'"index":"0","finish_reason":"stop"',
    "no index": b'"finish_reason":"stop"',
    "an end that is a number": b'"index":0,"finish_reason":1',
    "an end that is an object": b'"index":0,"finish_reason":{"type":"stop"}',
    "unknown members": b'"index":0,"finish_reason":"stop","stop_reason":[],"seed":{"model":"x"}',
}
# What stands at the top beside the choices.
AT_THE_TOP = {
    "an empty error": b'"error":{}',
    "an error of no text": b'"error":""',
    "an error that is false": b'"error":false',
    "an error that is null": b'"error":null',
    "usage in a list": b'"usage":[]',
    "usage as a text": b'"usage":"none"',
    "usage as a number": b'"usage":7',
    "a model in an object": b'"provider":{"model":"x","usage":null}',
    "a model that is null": b'"model":null',
}
ODD = {
    **{name: (b'"index":0,"finish_reason":"stop"', said, b'"x":1') for name, (said, _) in MEMBERS.items()},
    **{name: (beside, b'"content":"a"', b'"x":1') for name, beside in BESIDE.items()},
    **{
        name: (b'"index":0,"finish_reason":"stop"', b'"content":"a"', top) for name, top in AT_THE_TOP.items()
    },
}


def stream_of(*events: bytes, **changes: Any):
    shape = Shape(alias="chat", path="chat/completions", stream=True, include_usage=True, **changes)
    stream = OpenAIToOpenAI(shape).stream()
    out = b"".join([stream.feed(b"data: " + event + b"\n\n") for event in events])
    return stream, out + stream.end()


def answer(raw: bytes):
    return OpenAIToOpenAI(Shape(alias="chat", path="chat/completions")).response(raw)


@pytest.mark.parametrize("kind", ODD)
def test_an_event_of_any_shape_passes_as_it_came_and_ends_its_choice(kind):
    beside, said, top = ODD[kind]
    event = b'{"id":"x",%b,"choices":[{"delta":{%b},%b}]}' % (top, said, beside)
    stream, out = stream_of(event)
    assert out == b"data: " + event.replace(b'{"id":"x","model":null', b'{"id":"x","model":"chat"') + b"\n\n"
    assert (stream.started, stream.done, stream.failure) == (True, True, None)


@pytest.mark.parametrize("kind", ODD)
def test_answer_of_any_shape_is_delivered_and_billed(kind):
    beside, said, top = ODD[kind]
    used = USED if b'"usage":' not in top else b'"y":2'
    raw = b'{"id":"x",%b,"choices":[{"message":{%b},%b}],%b}' % (top, said, beside, used)
    answered = answer(raw)
    if top == b'"model":null':
        raw = raw.replace(top, b'"model":"chat"')
    assert answered.body == raw
    if used == USED:
        assert answered.usage is not None
        assert (answered.usage.input_tokens, answered.usage.output_tokens, answered.produced) == (9, 5, "")


@pytest.mark.parametrize("kind", MEMBERS)
def test_content_has_begun_with_the_first_delta_of_any_kind(kind):
    said, text = MEMBERS[kind]
    role = b'{"choices":[{"index":0,"delta":{"role":"a","content":"","tool_calls":[],"x":null},"finish_reason":""}]}'
    stream, _ = stream_of(role)
    assert not stream.started
    stream, _ = stream_of(role, b'{"choices":[{"index":0,"delta":{%b}}]}' % said)
    assert (stream.started, stream.done, stream.produced()) == (True, False, text)
    assert answer(b'{"choices":[{"message":{%b}}]}' % said).produced == text


@pytest.mark.parametrize(
    "delta",
    ["", "{}", '{"role":"assistant"}', '{"content":[]}', '{"content":null,"images":[]}', "[]", "null"],
)
def test_an_empty_delta_is_no_content(delta):
    stream, _ = stream_of(b'{"choices":[{"index":0%b}]}' % (b',"delta":' + delta.encode() if delta else b""))
    assert not stream.started


@pytest.mark.parametrize(
    "choice",
    [
        b'{"delta":"words","message":{}}',
        b'{"text":["words"]}',
        b'"words"',
        b'{"message":{"content":"words"}}',
    ],
)
def test_choices_of_other_shapes_are_content(choice):
    stream, out = stream_of(b'{"choices":[%b]}' % choice)
    assert (stream.started, stream.produced()) == (True, "words")
    assert choice in out


@pytest.mark.parametrize("head", [b'"id":"x",', b'"id":"x","model":"up",', b""])
@pytest.mark.parametrize("tail", [b"", b',"model":"up"', b',"model":"up","usage":null'])
@pytest.mark.parametrize(
    "arguments",
    [
        b'{"model":"Tesla S","n":2}',
        b'{"model":"up","usage":null}',
        b'{"a":{"model":"up"},"usage":null,"b":[{"model":"up","usage":null}]}',
        b'"{\\"model\\":\\"up\\",\\"usage\\":null}"',
        b'{"m\\u006fdel":"up"}',
    ],
)
def test_only_the_model_at_the_top_is_replaced(head, tail, arguments):
    """B12: whatever stands before it, and however often it has been replaced before."""
    event = b'{%b"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":%b}}]}}]%b}' % (
        head,
        arguments,
        tail,
    )
    shape = Shape(alias="chat", path="chat/completions", stream=True)
    stream = OpenAIToOpenAI(shape).stream()
    for _ in range(3):
        ours = json.loads(stream.feed(b"data: " + event + b"\n\n")[6:])
        theirs = json.loads(event)
        if "model" in theirs:
            theirs["model"] = "chat"
        theirs.pop("usage", None)
        assert ours == theirs


@pytest.mark.parametrize("raw", [
    b'{"model":"up","choices":[{"delta":{"content":"a"}}],"model":"up"}',
    b'{"mod\\u0065l":"up","choices":[{"delta":{"content":"a"}}]}',
    b'{ "id" : "x" , "model" : "up" , "choices" : [ { "delta" : { "content" : "a" } } ] , "usage" : null }',
    b'{"usage":null,"model":"up","choices":[{"delta":{"content":"a"}}]}',
    b'{"model":7,"choices":[{"delta":{"content":"a"}}]}',
])  # fmt: skip
def test_however_the_model_is_written_the_client_reads_the_alias(raw):
    stream = OpenAIToOpenAI(Shape(alias="chat", path="chat/completions", stream=True)).stream()
    for _ in range(2):
        ours = json.loads(stream.feed(b"data: " + raw + b"\n\n")[6:])
        assert (ours["model"], "usage" in ours) == ("chat", False)


def test_halves_of_an_emoji_are_joined_by_the_reader():
    halves = [
        b'{"model":"up","choices":[{"index":0,"delta":{"content":"\\ud83d"}}]}',
        b'{"model":"up","choices":[{"index":0,"delta":{"content":"\\ude00"},"finish_reason":"stop"}]}',
    ]
    _, out = stream_of(*halves)
    texts = [json.loads(event[6:])["choices"][0]["delta"]["content"] for event in out.split(b"\n\n") if event]
    assert "".join(texts).encode("utf-16", "surrogatepass").decode("utf-16") == "\U0001f600"
    assert b"up" not in out
