"""The arrival of a whole answer is noted before anything that takes long or fails."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from providers.dialects.base import Answered, Shape
from providers.dialects.openai.passthrough import OpenAIToOpenAI
from providers.exchange import QUICK_BYTES, read_answer
from providers.json_scan.limits import MalformedAnswer
from providers.usage import Usage

SAID = {"prompt_tokens": 9, "completion_tokens": 3}


def answer(words="Hello", **members):
    return json.dumps({"choices": [{"message": {"content": words}}], "usage": SAID, **members}).encode()


async def read(raw, *, fails=False):
    """Return what was noted before the answer was taken apart, what was left, and the answer."""
    noted: list[bytes] = []
    call: Any = SimpleNamespace(target="east", answered=None, unrecorded=b"")
    outgoing: Any = SimpleNamespace(on_response=lambda _target, raw: noted.append(raw), offload=None)
    dialect = OpenAIToOpenAI(Shape(alias="chat", path="chat/completions"))
    if fails:
        with pytest.raises(MalformedAnswer):
            await read_answer(call, dialect, outgoing, raw)
    else:
        await read_answer(call, dialect, outgoing, raw)
    return noted, call.unrecorded, call.answered


async def test_a_small_answer_is_left_to_the_end_of_the_call():
    raw = answer()
    noted, unnoted, answered = await read(raw)
    assert (noted, unnoted) == ([], raw)
    assert answered.usage == Usage(input_tokens=9, output_tokens=3)


async def test_an_answer_that_takes_long_is_noted_first():
    raw = answer("x" * QUICK_BYTES)
    assert (await read(raw))[:2] == ([raw], b"")


@pytest.mark.parametrize(
    "raw",
    [b"", b"<html>", answer()[:-1], b'{"usage":{"prompt_tokens":9}}', answer(error={"code": 1})],
    ids=["nothing", "html", "cut", "no content", "an error"],
)
async def test_an_answer_that_is_no_use_is_noted(raw):
    """The next try waits for money, and the process may crash meanwhile."""
    assert (await read(raw, fails=True))[:2] == ([raw], b"")


@pytest.mark.parametrize(
    ("answered", "is_known"),
    [
        (Answered(b"{}", Usage(input_tokens=9, output_tokens=3)), True),
        (Answered(b"{}", Usage(input_tokens=9)), True),  # embeddings
        (Answered(b"{}", None), False),
        (Answered(b"{}", None, "Hello"), False),
        (Answered(b"{}", Usage(input_tokens=9), "Hello"), False),
    ],
)
def test_what_must_be_counted_does_not_end_at_once(answered, is_known):
    assert answered.is_known is is_known
