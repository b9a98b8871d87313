"""Tool calls of compatible servers, and streams that the network cuts anywhere: the same events come out."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.conversation.events import (
    BlockDelta,
    Finished,
    FinishReason,
)
from providers.conversation.openai_chat.side import OPENAI_CHAT
from providers.conversation.sequence import Sequence
from tests.support.conversation.chat_chunks import READ, USAGE, call, chunk, read, said, sse, whole

ARGUMENTS = '{"city": "Köln"}'
RECORDED = {
    "tools": sse(
        chunk({"role": "assistant", "content": None}),
        chunk({"reasoning_content": "Hm Ü"}),
        chunk(call(index=0, id="a", type="function", function={"name": "f", "arguments": ""})),
        *[chunk(call(index=0, function={"arguments": letter})) for letter in ARGUMENTS],
        chunk(call(index=1, id="b", type="function", function={"name": "g", "arguments": "{}"})),
        chunk({}, "tool_calls"),
        {"choices": [], "usage": USAGE},
    ),
    "odd": b": hello\r\n\r\n" + sse(
        {"choices": [], "prompt_filter_results": [], "id": "", "created": 0},
        chunk({"content": "<thi"}),
        chunk({"content": "nk>so</th"}, ""),
        chunk({"content": "ink>\n\nWell \U0001f600"}, index=None),
        chunk(call(id="a", function={"name": "f", "arguments": {"a": 1}})),
        chunk({}, "stop", usage=USAGE),
        done=False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDED)
def test_a_cut_at_any_byte_changes_nothing(name: str) -> None:
    raw = RECORDED[name]
    expected = read(raw)
    assert any(isinstance(event, Finished) for event in expected)
    for cut in range(1, len(raw)):
        assert read(raw[:cut], raw[cut:]) == expected, f"cut at {cut}"


@given(st.sampled_from(sorted(RECORDED)), st.lists(st.integers(1, 400), max_size=30))
def test_many_cuts_change_nothing(name: str, cuts: list[int]) -> None:
    raw = RECORDED[name]
    edges = sorted({0, *[cut for cut in cuts if cut < len(raw)], len(raw)})
    assert read(*[raw[start:end] for start, end in pairwise(edges)]) == read(raw)


def test_tools_of_openai() -> None:
    message = whole(read(RECORDED["tools"]))
    blocks = [(block.kind, block.id, block.name, block.text) for block in message.choice().blocks]
    assert blocks == [("thinking", "", "", "Hm Ü"), ("tool", "a", "f", ARGUMENTS), ("tool", "b", "g", "{}")]
    assert message.choice().reason is FinishReason.TOOL_CALLS
    assert (message.usage, message.is_ended) == (READ, True)


def test_the_second_call_does_not_wait_for_the_end_of_the_response() -> None:
    reader, sequence = OPENAI_CHAT.reader(1 << 20, None), Sequence()
    raw = sse(
        chunk(call(index=0, id="a", function={"name": "f", "arguments": "{}"})),
        chunk(call(index=1, id="b", function={"name": "g", "arguments": "{"})),
        done=False,
    )
    events = [each for event in reader.feed(raw) for each in sequence.take(event)]
    assert events[-1] == BlockDelta(1, "{")


def test_calls_whose_parts_alternate_are_told_apart_by_their_index() -> None:
    first = [call(index=n, id=f"i{n}", function={"name": f"f{n}", "arguments": ""}) for n in (0, 1)]
    more = [call(index=n, function={"arguments": text}) for text in ('{"a"', ":1", "}") for n in (0, 1)]
    assert said(*map(chunk, [*first, *more]), chunk({}, "stop")) == [
        ("tool", "i0", "f0", '{"a":1}'),
        ("tool", "i1", "f1", '{"a":1}'),
    ]


@pytest.mark.parametrize(
    "deltas",
    [
        # whole calls in one delta, without an index
        [{"tool_calls": [{"id": n, "function": {"name": n, "arguments": "{}"}} for n in ("a", "b")]}],
        # each call has the same index
        [call(index=0, id=n, function={"name": n, "arguments": "{}"}) for n in ("a", "b")],
        # an index as a string, arguments as an object, no type
        [call(index=str(i), id=n, function={"name": n, "arguments": {}}) for i, n in enumerate("ab")],
        # the name and the id again with every part
        [
            call(index=i, id=n, function={"name": n, "arguments": part})
            for i, n in enumerate("ab")
            for part in "{}"
        ],
        # no index in the parts that continue
        [
            each
            for n in ("a", "b")
            for each in (
                call(id=n, function={"name": n, "arguments": "{"}),
                call(function={"arguments": "}"}),
            )
        ],
        # the id, and then the name
        [
            each
            for i, n in enumerate("ab")
            for each in (
                call(index=i, id=n),
                call(index=i, function={"arguments": "{"}),
                call(index=i, function={"name": n, "arguments": "}"}),
            )
        ],
    ],
    ids=["whole", "same index", "odd types", "repeated", "no index", "late name"],
)
def test_calls_as_servers_write_them(deltas: list[Any]) -> None:
    assert said(*map(chunk, deltas), chunk({}, "tool_calls")) == [
        ("tool", "a", "a", "{}"),
        ("tool", "b", "b", "{}"),
    ]


def test_calls_without_an_id_get_one_that_is_unique_in_the_conversation() -> None:
    two = [call(function={"name": "f", "arguments": "{}"}) for _ in range(2)]
    found = said(*map(chunk, two), chunk({}, "stop"))
    other = said(*[{**chunk(each), "id": "c2"} for each in two], chunk({}, "stop"))
    ids = [block[1] for block in (*found, *other)]
    assert len(set(ids)) == 4
    assert all(len(each) <= 40 and each.startswith("call_") for each in ids)


def test_an_old_function_call() -> None:
    parts = [{"function_call": {"name": "f", "arguments": ""}}, {"function_call": {"arguments": "{}"}}]
    [(kind, _, name, text)] = said(*map(chunk, parts), chunk({}, "function_call"))
    assert (kind, name, text) == ("tool", "f", "{}")
