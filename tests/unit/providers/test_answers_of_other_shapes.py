"""A7 of real providers: an answer that is no use was billed all the same, so what it says that it used is booked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.dialects.base import MalformedAnswer, Shape
from providers.dialects.openai_openai import OpenAIToOpenAI
from providers.usage_places import usage_in

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
        b'[{"usage":{"prompt_tokens":9,"completion_tokens":5}}]',
        b'data: {"usage":{"prompt_tokens":9,"completion_tokens":5}}\n\n',
        b'{"usage":"9 and 5"}',
        b'{"usage":{"prompt_tokens":0,"completion_tokens":0}}',
        b"",
    ],
)
def test_what_cannot_be_read_says_nothing(raw):
    """So it is estimated, and unsettled."""
    assert usage_in(raw) is None
