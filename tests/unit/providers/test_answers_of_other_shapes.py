"""A7 of real providers: a malformed answer may be billed, so the usage that it states is counted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.dialects.base import Shape
from providers.dialects.openai.passthrough import OpenAIToOpenAI
from providers.json_scan.limits import MalformedAnswer
from providers.reported_usage.places import usage_in

USED = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
GOOD: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}
SHAPES: dict[str, dict[str, Any]] = {
    "content in parts": {"choices": [{"message": {"content": [{"type": "text", "text": "42"}]}}]},
    "arguments as an object": {
        "choices": [{"message": {"tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}}]
    },
    "reasoning as an object": {"choices": [{"message": {"content": "a", "reasoning": {}}}]},
    "an index that is none": {"choices": [{**GOOD, "index": None}]},
    "an end that is a number": {"choices": [{**GOOD, "finish_reason": 1}]},
    "tool calls as an object": {"choices": [{"message": {"tool_calls": {}}}]},
    "a refusal as an object": {"choices": [{"message": {"refusal": {}}}]},
    "an empty error beside it": {"choices": [GOOD], "error": {}},
    "an error of text": {"choices": [GOOD], "error": ""},
    "no choices": {"choices": None},
    "choices as an object": {"choices": {"0": GOOD}},
    "of another API": {"output": [{"type": "message"}], "object": "response"},
    "only a text": {"response": "a"},
}


@pytest.mark.parametrize("kind", SHAPES)
def test_what_a_useless_answer_used_is_read_whatever_its_shape(kind):
    """Whether it is passed on or refused: its usage is the same."""
    raw = json.dumps({**SHAPES[kind], "usage": USED}).encode()
    try:
        found = OpenAIToOpenAI(Shape(alias="m", path="chat/completions")).response(raw).usage
    except MalformedAnswer as refused:
        found = refused.usage
    assert found is not None
    assert (found.input_tokens, found.output_tokens) == (9, 5)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":5',
        b'{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":5},}',
        b'{"usage":"9 and 5"}',
        b'{"usage":{"prompt_tokens":0,"completion_tokens":0}}',
        b"",
    ],
)
def test_what_cannot_be_read_says_nothing(raw):
    """So it is estimated, and unsettled."""
    assert usage_in(raw) is None


TOLD = json.dumps({"choices": GOOD, "usage": USED}).encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"[%b]" % TOLD,
        b"data: %b\n\ndata: [DONE]\n\n" % TOLD,
        TOLD + TOLD,
        b'{"id":1}\n%b\n' % TOLD,
        TOLD + b"<!-- cached -->",
        b"\0" + TOLD + b"\0\0",
        b")]}',\n" + TOLD,
        b"\xef\xbb\xbf\xef\xbb\xbf" + TOLD,
        TOLD.replace(b'"a"', b'"a\tb\n"'),
        TOLD[:-1] + b',"x":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        TOLD[:-1] + b',"x":[1e400,NaN,' + b"7" * 5_000 + b"]}",
        TOLD.replace(b"14", b"1e400"),
    ],
)
def test_a_usage_is_read_wherever_a_document_can_be(raw):
    found = usage_in(raw)
    assert found is not None
    assert (found.total_input_tokens, found.total_output_tokens) == (9, 5)


@pytest.mark.parametrize("line", [b'{"usage":[', b'{"usage":{"a":[', b'{"usage"'])
def test_what_only_looks_like_documents_is_given_up(line):
    assert usage_in(b"\n".join([line] * 4_000) + b"\n" + TOLD) is None


@pytest.mark.parametrize("choices", ["4", "true", "1.5", '"hello"', '{"0":{}}'])
def test_choices_of_any_type_are_no_defect_of_ours(choices):
    raw = b'{"choices":%b,"usage":%b}' % (choices.encode(), json.dumps(USED).encode())
    with pytest.raises(MalformedAnswer) as refused:
        OpenAIToOpenAI(Shape(alias="m", path="chat/completions")).response(raw)
    assert refused.value.usage is not None
    assert refused.value.usage.total_output_tokens == 5
