"""An event that repeats another one but for its text is not parsed again, with the same result."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.dialects.base import Shape
from providers.dialects.openai import stream as openai_stream
from providers.dialects.openai.chunks import Chunk, decode_chunk
from providers.dialects.openai.stream import OpenAIStream
from providers.framing.malformed import MalformedStream

WORDS = [
    "a",
    " word",
    "model",
    "usage",
    "Zürich ",
    "日本",
    "\n",
    'say "hi"',
    "\\",
    "",
    "the-text-of-an-event-5b1e",
    "0",
]
USAGE = b'data: {"model":"up","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":7}}\n\n'  # in the last tier


def shape(*, include_usage: bool = False, choices: int = 1) -> Shape:
    return Shape(
        alias="chat", path="chat/completions", stream=True, include_usage=include_usage, choices=choices
    )


def event(
    words: str | bytes, field: str = "content", *, before: str = "", behind: str = "", index: int = 0
) -> bytes:
    text = words if isinstance(words, bytes) else json.dumps(words, ensure_ascii=False).encode()
    head = f'{{"id":"1","model":"up"{before},"choices":[{{"index":{index},"delta":{{"{field}":'.encode()
    return b"data: " + head + text + f'}},"finish_reason":null}}]{behind}}}\n\n'.encode()


def last(index: int = 0) -> bytes:
    choice = {"index": index, "delta": {}, "finish_reason": "stop"}
    return b"data: " + json.dumps({"model": "up", "choices": [choice]}).encode() + b"\n\n"


def told(
    blocks: list[bytes], *, learns: bool, include_usage: bool = False, choices: int = 1
) -> tuple[Any, ...]:
    stream = OpenAIStream(shape(include_usage=include_usage, choices=choices))
    out, fault = b"", ""
    with pytest.MonkeyPatch.context() as patch:
        if not learns:
            patch.setattr(openai_stream, "repeated", lambda *_: None)
        try:
            for block in [*blocks, USAGE]:
                out += stream.feed(block)
            out += stream.end()
        except MalformedStream as error:
            fault = str(error)
    events = [json.loads(part[6:]) for part in out.split(b"\n\n") if part]
    counts = (
        stream.produced_events,
        stream.produced_bytes,
        stream.sound_chars,
        stream.produced(),
    )
    ends = (
        stream.started,
        stream.is_finished,
        stream.done,
        stream.failure,
        stream.has_final_usage,
        stream.usage,
    )
    return events, fault, counts, ends


def test_of_many_events_that_repeat_one_only_the_first_are_parsed(monkeypatch):
    parsed: list[bytes] = []

    def decode(data: bytes) -> Chunk:
        parsed.append(data)
        return decode_chunk(data)

    monkeypatch.setattr(openai_stream, "decode_chunk", decode)
    stream = OpenAIStream(shape())
    out = b"".join([stream.feed(event(f" word{number}")) for number in range(60)])
    assert len(parsed) == 0  # the first one is parsed as such
    assert out.count(b'"model":"chat"') == 60
    assert stream.produced() == "".join([f" word{number}" for number in range(60)])
    assert stream.produced_events == 60


@pytest.mark.parametrize(
    "field", ["content", "reasoning_content", "reasoning", "refusal", "thinking", "role"]
)
@pytest.mark.parametrize(
    "behind", ["", ',"usage":null', ',"service_tier":"flex"', ',"usage":null,"x":[1]', ',"x":" first"']
)
@pytest.mark.parametrize("include_usage", [False, True])
def test_the_result_is_the_same(field, behind, include_usage):
    blocks = [event(words, field, behind=behind) for words in [" first", *WORDS, *WORDS]]
    blocks += [last(), event("late", field, behind=behind)]
    found = told(blocks, learns=True, include_usage=include_usage)
    assert found == told(blocks, learns=False, include_usage=include_usage)


@pytest.mark.parametrize(
    "words",
    [
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"a"b"',
        b'"a\tb"',
        b'"\\ud800"',
        b'"a","content":"b"',
        b'{"text":"a"}',
        b"7",
        b"null",
        b'"' + b"x" * 5000 + b'"',
        b'"a"},"x":{"y":"z"',
    ],
)
def test_what_only_begins_and_ends_like_another_one_is_parsed(words):
    blocks = [event("a"), event("b"), event(words), event("c"), last()]
    assert told(blocks, learns=True) == told(blocks, learns=False)


def test_other_choices_tiers_and_an_end_in_between_are_kept_apart():
    def one(words: str, index: int = 0) -> bytes:
        return event(words, before=',"service_tier":"flex"', index=index)

    other = event("b", before=',"service_tier":"priority"')
    blocks = [one("a"), other, one("c"), event("d", index=1), one("e")]
    blocks += [last(0), one("f"), event("g", index=1), last(1)]
    assert told(blocks, learns=True, choices=2) == told(blocks, learns=False, choices=2)


def test_usage_in_a_choice_is_read_in_each_event():
    usage = '"usage":{"prompt_tokens":3,"completion_tokens":%d}'
    blocks = [
        b'data: {"model":"up","choices":[{"index":0,"delta":{"content":"a"},%b}]}\n\n' % (usage % 7).encode()
    ] * 3
    found = told([*blocks, last()], learns=True)
    assert found == told([*blocks, last()], learns=False)
    assert found[3][5].total_output_tokens == 7


TEXTS = st.one_of(
    st.sampled_from(WORDS), st.text(max_size=8), st.binary(max_size=6).map(lambda raw: b'"' + raw + b'"')
)
EVENTS = st.builds(
    event,
    TEXTS,
    st.sampled_from(["content", "content", "reasoning", "refusal", "audio"]),
    before=st.sampled_from(["", "", ',"service_tier":"flex"', ',"usage":null']),
    behind=st.sampled_from(
        ["", "", ',"usage":null', ',"usage":{"prompt_tokens":1}', ',"model":"x"', ',"x":"begin"']
    ),
    index=st.sampled_from([0, 0, 1]),
)


@given(st.lists(st.one_of(EVENTS, EVENTS, st.just(last())), max_size=12), st.booleans())
def test_any_stream_is_read_as_if_each_event_were_parsed(blocks, include_usage):
    blocks = [event("begin"), *blocks]
    whole = [b"".join(blocks)]
    for each in (blocks, whole):
        found = told(each, learns=True, include_usage=include_usage)
        assert found == told(each, learns=False, include_usage=include_usage)
