"""However the network cuts a stream, the same bytes come out and the same usage is read."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.dialects.base import Shape
from providers.dialects.openai.passthrough import OpenAIToOpenAI

SAID = ["Grüße, ", "\u4e16\u754c \U0001f600", 'a "model": "up" b', "line\nbreak"]
USAGE = {"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16}


def recorded(line_end: bytes) -> bytes:
    """Return a stream with a byte order mark, comments, names, ids, an event in two lines, usage and its end."""
    events: list[dict[str, Any]] = [
        {"id": "c", "model": "up", "choices": [{"index": 0, "delta": {"content": text}}]} for text in SAID
    ]
    events.append({"id": "c", "model": "up", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    events.append({"id": "c", "model": "up", "choices": [], "usage": USAGE})
    lines = ["\ufeff: hello", ""]
    for number, event in enumerate(events):
        data = json.dumps(event, ensure_ascii=number % 2 == 0)
        lines += [f"id: {number}", "event: chunk", f"data: {data}", "", ": still here", ""]
    lines += ['data: {"id": "c", "model": "up",', 'data: "choices": []}', "", "data: [DONE]", "", ""]
    return line_end.join(line.encode() for line in lines)


def relayed(blocks: list[bytes]) -> tuple[bytes, object, bool, str]:
    shape = Shape(
        path="chat/completions", alias="chat", content_key="choices", stream=True, include_usage=True
    )
    stream = OpenAIToOpenAI(shape).stream()
    out = b"".join([stream.feed(block) for block in blocks if not stream.done])
    return out + stream.end(), stream.usage, stream.done, stream.produced()


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
def test_a_cut_at_any_byte_changes_nothing(line_end: bytes) -> None:
    whole = recorded(line_end)
    expected = relayed([whole])
    assert expected[2:] == (True, "".join(SAID))
    assert expected == relayed([recorded(b"\n")])
    for cut in range(1, len(whole)):
        assert relayed([whole[:cut], whole[cut:]]) == expected, f"cut at {cut}"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_blocks_of_any_size_change_nothing(size: int) -> None:
    whole = recorded(b"\r\n")
    blocks = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert relayed(blocks) == relayed([whole])


@given(st.lists(st.integers(1, len(recorded(b"\r\n")) - 1), max_size=30))
def test_many_cuts_change_nothing(cuts: list[int]) -> None:
    whole = recorded(b"\r\n")
    edges = sorted({0, *cuts, len(whole)})
    assert relayed([whole[start:end] for start, end in pairwise(edges)]) == relayed([whole])
