"""The mark of a running stream: the bytes that were produced, also of an event that has not ended."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from metering.inflight import InFlightCall, InFlightCalls
from providers.dialects.base import Shape
from providers.dialects.openai.stream import OpenAIStream
from providers.resilience.plan import CallProgress
from tests.support.books.calls import opened

MB = 1024 * 1024


class Book:
    def __init__(self):
        self.marks = []

    def mark(self, record):
        self.marks.append(record)


def event(text):
    choice = {"index": 0, "delta": {"content": text}}
    return b"data: " + json.dumps({"choices": [choice]}, ensure_ascii=False).encode() + b"\n\n"


@pytest.fixture
def stream():
    return OpenAIStream(Shape(alias="chat", path="chat/completions", stream=True))


def marks_of(stream, *blocks, early=False):
    running, book = InFlightCalls(), cast("Any", Book())
    nobody: Any = None
    call = InFlightCall(opened("req_1"), nobody, None)
    if early:
        call.progress = CallProgress()
        call.progress.stream = stream
    else:
        call.stream = stream
    running.add(call)
    for block in blocks:
        stream.feed(block)
        running.write_marks(book)
        running.write_marks(book)  # nothing new
    return [(mark.output_tokens, mark.output_bytes) for mark in book.marks]


TEXTS = {"ascii": " word", "chinese": "\u4f60\u597d", "emoji": "\U0001f600", "long": "x" * 1000}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_mark_counts_events_and_bytes(stream, text):
    size = len(text.encode())
    assert marks_of(stream, event(text), event(text) * 3) == [(1, size), (4, 4 * size)]


@pytest.mark.parametrize("early", [False, True], ids=["later", "before the first content"])
@pytest.mark.parametrize("size", [20_000, 300_000, MB - 1024])
def test_an_event_of_any_size_is_marked_while_it_comes(stream, size, early):
    whole = event("x" * size)
    half = len(whole) // 2
    first, second = marks_of(stream, whole[:half], whole[half:], early=early)
    assert first[0] == 0
    assert half - 2048 <= first[1] <= half
    assert second == (1, size)


def test_the_beginning_of_an_event_that_may_be_no_content_is_no_progress(stream):
    assert marks_of(stream, event("x")[:-10]) == []
