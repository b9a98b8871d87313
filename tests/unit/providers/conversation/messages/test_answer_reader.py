"""The API's events and documents become the events of a conversation, however the bytes are split."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.conversation.events import (
    Annotated,
    BlockDelta,
    BlockEnded,
    BlockStarted,
    Ended,
    Event,
    Failed,
    Finished,
    FinishReason,
    Ping,
    Started,
    UsageReported,
)
from providers.conversation.folding import Message, fold
from providers.conversation.messages.answer_reader import AnswerReader, read_document
from providers.conversation.messages.reserved import CUSTOM, JSON_TOOL
from providers.conversation.sequence import Sequence
from providers.framing.malformed import MalformedStream
from providers.json_scan.limits import MalformedAnswer
from tests.support.vendors.anthropic import THOUGHT, USAGE, event, message, stream

BLOCKS: list[dict[str, Any]] = [
    THOUGHT,
    {"type": "redacted_thinking", "data": "secret"},
    {"type": "text", "text": "Grüße, \U0001f600!"},
    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": "x"}},
    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"at": "Rome"}},
    {"type": "tool_use", "id": "toolu_2", "name": "time", "input": {}},
]
STREAM = stream(BLOCKS, "tool_use")


def read(*blocks: bytes) -> list[Event]:
    reader = AnswerReader()
    return [each for block in blocks for each in reader.feed(block)] + [*reader.close()]


def folded(events: Any) -> Message:
    whole, sequence = Message(), Sequence()
    for one in events:
        for each in sequence.take(one):
            fold(whole, each)
    return whole


def test_a_stream() -> None:
    whole = folded(read(STREAM))
    blocks = whole.choice().blocks
    assert [(each.kind, each.text) for each in blocks] == [
        ("thinking", "Hm."), ("thinking", ""), ("text", "Grüße, \U0001f600!"),
        ("tool", '{"at": "Rome"}'), ("tool", "{}"),
    ]  # fmt: skip
    assert (blocks[0].signature, blocks[1].redacted) == ("sig-1", "secret")
    assert (blocks[3].id, blocks[3].name) == ("toolu_1", "weather")
    assert whole.choice().reason is FinishReason.TOOL_CALLS
    assert whole.is_ended
    assert whole.id == "msg_01"
    usage = whole.usage
    assert usage is not None
    assert (usage.input_tokens, usage.cached_input_tokens) == (10, 4)
    assert (usage.cache_write_tokens, usage.cache_write_1h_tokens) == (1, 2)
    assert (usage.output_tokens, usage.reasoning_tokens) == (5, 4)


def test_a_document_is_the_same_message() -> None:
    raw = json.dumps(message(BLOCKS, "tool_use")).encode()
    whole, streamed = folded(read_document(raw)), folded(read(STREAM))
    for each in (*whole.choice().blocks, *streamed.choice().blocks):
        each.texts = ["".join(each.texts).replace(" ", "")]
    assert whole.choices == streamed.choices
    assert whole.usage == streamed.usage


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_every_split_gives_the_same_events(cuts: list[int]) -> None:
    at = [0, *sorted(cuts), len(STREAM)]
    assert read(*[STREAM[a:b] for a, b in pairwise(at)]) == read(STREAM)


def test_a_stream_may_come_byte_by_byte_and_with_other_line_ends() -> None:
    assert read(*[bytes([each]) for each in STREAM]) == read(STREAM)
    assert read(STREAM.replace(b"\n", b"\r\n")) == read(STREAM)


def test_the_usage_before_the_output_is_of_the_prompt() -> None:
    began = read(event("message_start", message=message([]) | {"usage": USAGE}))[0]
    assert isinstance(began, Started)
    assert began.usage is not None
    assert (began.usage.total_input_tokens, began.usage.total_output_tokens) == (17, 0)


def test_pings_errors_and_unknown_events() -> None:
    assert read(event("ping")) == [Ping()]
    assert (
        read(event("new_kind", index=3), event("content_block_delta", index=9, delta={"type": "new_delta"}))
        == []
    )
    failed = read(event("error", error={"type": "overloaded_error", "message": "Overloaded"}))
    assert isinstance(failed[0], Failed)
    assert b"overloaded_error" in failed[0].body
    assert read(b"event: error\ndata: oh no\n\n") == [Failed(b'{"error":{"message":"oh no"}}')]
    assert isinstance(read(b'event: error\ndata: {"type":"error","error":{}}')[0], Failed)


@pytest.mark.parametrize(
    ("vendor", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("compaction", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
    ],
)
def test_why_a_message_ended(vendor: str, reason: str) -> None:
    found = [each for each in read(stream([], vendor)) if isinstance(each, Finished)]
    assert [(each.reason.value, each.vendor_reason) for each in found] == [(reason, vendor)]


def test_a_refusal_has_its_explanation_and_a_stop_its_sequence() -> None:
    delta = {"stop_reason": "refusal", "stop_details": {"explanation": "No."}, "stop_sequence": "END"}
    found = read(event("message_delta", delta=delta, usage={"output_tokens": 1}))
    assert found[-1] == Finished(FinishReason.CONTENT_FILTER, "refusal", "END", "No.")


def test_a_usage_without_an_end_is_not_final() -> None:
    found = read(event("message_delta", delta={}, usage={"input_tokens": 2, "output_tokens": 1}))
    assert [(type(each), each.is_final) for each in found if isinstance(each, UsageReported)] == [
        (UsageReported, False)
    ]


def test_the_input_of_the_reserved_tool_is_the_text() -> None:
    block = {"type": "tool_use", "id": "t", "name": JSON_TOOL, "input": {"n": 1}}
    whole = folded(read(stream([block], "tool_use")))
    assert [(each.kind, each.text) for each in whole.choice().blocks] == [("text", '{"n": 1}')]
    assert whole.choice().reason is FinishReason.STOP
    both = folded(read(stream([block, BLOCKS[4]], "tool_use")))
    assert both.choice().reason is FinishReason.TOOL_CALLS


@pytest.mark.parametrize(
    ("given_input", "text"), [({"input": "*** Begin\n"}, "*** Begin\n"), ({"x": 1}, '{"x": 1}')]
)
def test_a_custom_tools_input_is_its_text(given_input: Any, text: str) -> None:
    block = {"type": "tool_use", "id": "t", "name": f"patch{CUSTOM}", "input": given_input}
    events = read(stream([block], "tool_use"))
    assert BlockStarted(0, "tool", "t", "patch", is_custom=True) in events
    assert [each.text for each in events if isinstance(each, BlockDelta)] == [text]


def test_citations_are_annotations() -> None:
    page = {"type": "web_search_result_location", "url": "https://h", "title": "H", "cited_text": "x"}
    place = {"type": "char_location", "document_index": 0}
    events = read(
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": "abc"}),
        event("content_block_delta", index=0, delta={"type": "citations_delta", "citation": page}),
        event("content_block_delta", index=0, delta={"type": "citations_delta", "citation": place}),
        event("content_block_stop", index=0),
    )  # fmt: skip
    notes = [each.annotation for each in events if isinstance(each, Annotated)]
    cited = {"start_index": 0, "end_index": 3, "url": "https://h", "title": "H"}
    assert notes == [
        {"type": "url_citation", "url_citation": cited},
        {"type": "char_location", "char_location": place},
    ]
    assert events[-1] == BlockEnded(0)


def test_what_deviates_is_read_as_far_as_it_can_be() -> None:
    odd = [
        b'data: {"type":"content_block_start","index":"0","content_block":{"type":"text","text":null}}\n\n',
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\\ud83d"}}\n\n',
        b'data: {"type":"content_block_delta","index":{},"delta":{"type":"text_delta","text":"lost"}}\n\n',
        b'data: {"type":"content_block_start","index":1,"content_block":'
        + b"[" * 4000
        + b"]" * 4000
        + b"}\n\n",
    ]
    assert read(*odd) == [BlockStarted(0, "text"), BlockDelta(0, "�")]


def test_what_is_no_json_is_malformed() -> None:
    with pytest.raises(MalformedStream):
        read(b"event: x\ndata: <html>\n\n")
    after = read(event("ping") + b"data: <html>\n\n")
    assert [type(each) for each in after] == [Ping, Failed]


def test_a_stream_that_is_cut_has_no_end() -> None:
    cut = STREAM[: STREAM.index(b"event: message_stop")]
    assert Ended() not in read(cut)
    assert read(STREAM.rstrip(b"\n"))[-1] == Ended()


def test_a_document_that_is_no_message() -> None:
    error = b'{"type":"error","error":{"type":"api_error","message":"Oh"}}'
    assert [*read_document(error)] == [Failed(error)]
    for raw in (b"<html>", b"[]", b"{}", b'{"type":"message"}'):
        with pytest.raises(MalformedAnswer):
            read_document(raw)
