"""A stream instead of one answer becomes the answer that was requested."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.dialects.base import Shape
from providers.dialects.folded import fold
from providers.dialects.openai.passthrough import OpenAIToOpenAI
from providers.json_scan.spans import members_of

HEAD = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
USED = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}


def delta(content: Any, finish: str | None = None, index: Any = 0, **beside: Any) -> dict[str, Any]:
    return {**HEAD, "choices": [{"index": index, "delta": content, "finish_reason": finish, **beside}]}


def call(index: int | None, arguments: str, **more: Any) -> dict[str, Any]:
    at = {} if index is None else {"index": index}
    name = {"name": more.pop("name")} if "name" in more else {}
    return delta({"tool_calls": [{**at, "function": {**name, "arguments": arguments}, **more}]})


def folded(*events: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        fold(b"".join([b"data: %b\n\n" % json.dumps(each).encode() for each in events]))
    )
    return document


def message(*events: dict[str, Any]) -> dict[str, Any]:
    [choice] = folded(*events, delta({}, "stop"))["choices"]
    assert choice["finish_reason"] == "stop"
    said: dict[str, Any] = choice["message"]
    assert said.pop("role") == "assistant"
    return said


def called(number: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": number, "type": "function", "function": {"name": name, "arguments": arguments}}


TOOLS = {
    "one": [call(0, "", id="a", type="function", name="f"), call(0, '{"x":'), call(0, "1}")],
    "one, named with each event": [
        call(0, '{"x":', id="a", type="function", name="f"),
        call(0, "1}", id="a", name="f"),
    ],
    "one, with empty names": [
        call(0, '{"x":1}', id="a", type="function", name="f"),
        call(0, "", id="", name=""),
    ],
    "one without an index": [call(None, '{"x":', id="a", type="function", name="f"), call(None, "1}")],
}
TWO = {
    "two": [call(0, "", id="a", type="function", name="f"), call(1, "", id="b", type="function", name="g"),
            call(0, "1"), call(1, "2")],
    "two under one index": [call(0, "1", id="a", type="function", name="f"),
                            call(0, "", id="b", type="function", name="g"), call(0, "2")],
    "two without an index": [call(None, "1", id="a", type="function", name="f"),
                             call(None, "2", id="b", type="function", name="g")],
}  # fmt: skip


@pytest.mark.parametrize("kind", TOOLS)
def test_a_call_of_a_tool_is_put_together(kind):
    assert message(*TOOLS[kind]) == {"content": None, "tool_calls": [called("a", "f", '{"x":1}')]}


@pytest.mark.parametrize("kind", TWO)
def test_calls_of_tools_are_kept_separate(kind):
    assert message(*TWO[kind])["tool_calls"] == [called("a", "f", "1"), called("b", "g", "2")]


TEXTS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "content": ([{"role": "assistant", "content": ""}, {"content": "a"}, {"content": "b"}], {"content": "ab"}),
    "the same twice": ([{"content": "a"}, {"content": "a"}], {"content": "aa"}),
    "thoughts": ([{"reasoning_content": "a"}, {"reasoning_content": "b"}, {"content": "c"}],
                 {"content": "c", "reasoning_content": "ab"}),
    "a refusal": ([{"refusal": "n"}, {"refusal": "o"}], {"content": None, "refusal": "no"}),
    "null after it": ([{"content": "a"}, {"content": None}], {"content": "a"}),
    "an unknown member": ([{"content": "a", "x": {"y": "1", "z": 1}}, {"x": {"y": "2", "z": 2}}],
                                   {"content": "a", "x": {"y": "12", "z": 2}}),
    "content in parts": ([{"content": [{"type": "thinking", "thinking": "a"}]}, {"content": "b"}],
                         {"content": [{"type": "thinking", "thinking": "a"}, {"type": "text", "text": "b"}]}),
    "parts after a text": ([{"content": "b"}, {"content": [{"type": "x"}]}],
                           {"content": [{"type": "text", "text": "b"}, {"type": "x"}]}),
    "sound": ([{"audio": {"id": "s", "data": "QUJD"}}, {"audio": {"data": "QUJD", "transcript": "a"}}],
              {"content": None, "audio": {"id": "s", "data": "QUJDQUJD", "transcript": "a"}}),
    "a function of old": ([{"function_call": {"name": "f", "arguments": "1"}}, {"function_call": {"arguments": "2"}}],
                          {"content": None, "function_call": {"name": "f", "arguments": "12"}}),
    "a delta of text": (["a", "b"], {"content": "ab"}),
    "a delta that is null": ([None, {"content": "a"}, None], {"content": "a"}),
    "a quote, a line end": ([{"content": 'a"\\'}, {"content": "\n\u00fc"}], {"content": 'a"\\\n\u00fc'}),
}  # fmt: skip


@pytest.mark.parametrize("kind", TEXTS)
def test_what_a_choice_says_is_added_up(kind):
    deltas, whole = TEXTS[kind]
    assert message(*[delta(each) for each in deltas]) == whole


def test_choices_are_kept_separate_with_the_members_beside_them():
    first = delta({"content": "a"}, logprobs={"content": [{"token": "a"}], "refusal": None})
    second = delta({"content": "b"}, "length", logprobs={"content": [{"token": "b"}], "refusal": None})
    last = {
        **HEAD,
        "choices": [],
        "usage": USED,
        "system_fingerprint": "fp",
        "obfuscation": "x",
        "x_groq": {"a": 1},
    }
    found = folded(first, delta({"content": "c"}, "stop", index=1), second, last)
    assert found == {
        **HEAD, "object": "chat.completion", "system_fingerprint": "fp", "x_groq": {"a": 1}, "usage": USED,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "ab"}, "finish_reason": "length",
             "logprobs": {"content": [{"token": "a"}, {"token": "b"}], "refusal": None}},
            {"index": 1, "message": {"role": "assistant", "content": "c"}, "finish_reason": "stop"},
        ],
    }  # fmt: skip


def test_texts_without_messages_stay_so():
    one, two = ({"object": "text_completion", "choices": [{"index": 0, "text": each}]} for each in "ab")
    assert folded(one, two) == {
        "object": "text_completion",
        "choices": [{"index": 0, "text": "ab", "finish_reason": None}],
    }


def test_a_whole_answer_in_an_event_is_itself():
    whole = {
        "id": "x",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}],
    }
    assert folded(whole) == {**whole, "object": "chat.completion"}


VALUES = [b"1e400", b"NaN", b"7" * 5_000, b"1.50", b'"\\ud83d"', b"-Infinity", b"[" * 500 + b"]" * 500]


@pytest.mark.parametrize("value", VALUES)
def test_values_stay_as_they_were_written(value):
    one = b'data: {"choices":[{"index":0,"delta":{"content":"\\ud83d"},"x":%b}]}\n\n' % value
    two = (
        b'data: {"choices":[{"index":0,"delta":{"content":"\\ude00"},"finish_reason":"stop"}],"y":%b}\n\n'
        % value
    )
    whole = fold(one + two)
    assert whole.count(value) == 2
    assert b'"content":"\\ud83d\\ude00"' in whole


@pytest.mark.parametrize(
    ("begin", "end"), [(b'{"a":', b"}"), (b"[", b"]"), (b'{"tool_calls":[', b"]}"), (b'{"content":[', b"]}")]
)
def test_what_lies_deep_passes_as_it_came(begin, end, monkeypatch):
    read: list[int] = []

    def counted(raw: bytes) -> dict[str, bytes]:
        read.append(len(raw))
        return members_of(raw)

    monkeypatch.setattr("providers.dialects.folded.members_of", counted)
    value = begin * 5_000 + b"1" + end * 5_000
    event = b'data: {"choices":[{"delta":{"x":%b}}]}\n\n' % value
    assert value in fold(event)
    assert sum(read) <= 20 * len(event)


def test_an_unrequested_stream_keeps_its_usage():
    stream = OpenAIToOpenAI(Shape(alias="m", path="chat/completions")).stream()
    out = stream.feed(b"data: %b\n\n" % json.dumps({**HEAD, "choices": [], "usage": USED}).encode())
    assert json.loads(out[6:])["usage"] == USED
