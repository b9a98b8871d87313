"""A provider's Responses stream gives the same events however its bytes are split, and so does its document."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.conversation.events import (
    BlockDelta,
    BlockEnded,
    BlockStarted,
    Ended,
    Failed,
    Finished,
    FinishReason,
    Started,
    UsageReported,
)
from providers.conversation.folding import Message, fold
from providers.conversation.responses.answer_reader import Reader, document
from providers.conversation.sequence import Sequence
from providers.framing.malformed import MalformedStream
from providers.json_scan.limits import MalformedAnswer
from providers.usage import ToolCount, Usage
from tests.support.vendors.responses_events import call, events_of, sse, text, thought


def response(output, status="completed", **members):
    items = [{"id": f"i_{place}", **item} for place, item in enumerate(output)]
    for item in items:
        if item["type"] == "reasoning":
            item["encrypted_content"] = item.pop("thought")
    usage = {"input_tokens": 40, "input_tokens_details": {"cached_tokens": 8}, "output_tokens": 12,
             "output_tokens_details": {"reasoning_tokens": 4}, "total_tokens": 52}  # fmt: skip
    return {
        "id": "resp_1",
        "object": "response",
        "status": status,
        "output": items,
        "usage": usage,
        **members,
    }


ANSWER = response(
    [thought("deep"), text("caf\u00e9 \U0001f600"), call("f", {"a": "\u00e9"}), call("g", {}, "call_2")]
)
STREAM = sse(events_of(ANSWER))


def events(*blocks):
    reader = Reader(1 << 20)
    found = [event for block in blocks for event in reader.feed(block)]
    return [*found, *reader.close()]


def folded(several):
    message, sequence = Message(), Sequence()
    for event in several:
        for each in sequence.take(event):
            fold(message, each)
    return message


WHOLE = events(STREAM)


def test_a_stream_is_read():
    assert WHOLE[0] == Started("resp_1")
    assert BlockStarted(2, "tool", "call_1", "f") in WHOLE
    assert BlockEnded(0, "deep") in WHOLE
    assert WHOLE[-3:] == [
        UsageReported(
            Usage(input_tokens=32, cached_input_tokens=8, output_tokens=8, reasoning_tokens=4), is_final=True
        ),
        Finished(FinishReason.STOP, "completed"),
        Ended(),
    ]
    blocks = folded(WHOLE).choice().blocks
    assert [(block.kind, block.text) for block in blocks] == [
        ("thinking", "Hm."),
        ("text", "caf\u00e9 \U0001f600"),
        ("tool", json.dumps({"a": "\u00e9"})),
        ("tool", "{}"),
    ]


def test_every_split_of_every_byte_gives_the_same_events():
    for at in range(len(STREAM)):
        assert events(STREAM[:at], STREAM[at:]) == WHOLE


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_any_splits_give_the_same_events(places):
    ends = [0, *sorted(places), len(STREAM)]
    assert events(*[STREAM[begin:end] for begin, end in pairwise(ends)]) == WHOLE


def test_single_bytes_give_the_same_events():
    assert events(*[STREAM[at : at + 1] for at in range(len(STREAM))]) == WHOLE


def test_the_document_gives_the_same_response_as_the_stream():
    both = [folded(document(json.dumps(ANSWER).encode())), folded(WHOLE)]
    for message in both:
        for block in message.choice().blocks:
            block.texts = [block.text]
    assert both[0] == both[1]


@pytest.mark.parametrize("kept", ["deltas", "done", "end"])
def test_servers_that_leave_events_out_are_read(kept):
    """Some send no parts and no ends, some only whole items, some only the end."""
    names = {
        "deltas": ("delta", "item.added", "item.done", "completed"),
        "done": ("item.done", "completed"),
        "end": ("completed",),
    }[kept]
    several = [event for event in events_of(ANSWER) if event["type"].endswith(names)]
    blocks = folded(events(sse(several))).choice().blocks
    assert [(block.kind, block.text) for block in blocks] == [
        (block.kind, block.text) for block in folded(WHOLE).choice().blocks
    ]


@pytest.mark.parametrize(
    ("why", "reason"),
    [("max_output_tokens", FinishReason.LENGTH), ("content_filter", FinishReason.CONTENT_FILTER)],
)
def test_an_incomplete_response_says_why_and_has_its_usage(why, reason):
    answer = response([text("cut")], "incomplete", incomplete_details={"reason": why})
    for found in (events(sse(events_of(answer))), list(document(json.dumps(answer).encode()))):
        assert Finished(reason, why) in found
        assert folded(found).usage.output_tokens == 8


def test_a_failure_has_its_error_and_its_usage():
    found = events(sse(events_of(ANSWER, "error")))
    assert json.loads(found[-1].body)["error"]["message"] == "It broke."
    assert isinstance(found[-1], Failed)
    assert folded(found).usage.output_tokens == 8
    [error] = events(
        b'event: error\ndata: {"type":"error","code":"x","message":"No.","sequence_number":0}\n\n'
    )
    assert json.loads(error.body)["error"] == {"message": "No.", "code": "x"}


def test_a_cut_stream_has_no_end():
    found = events(sse(events_of(ANSWER, "cut")))
    assert not any(isinstance(event, Ended | Finished | Failed) for event in found)


def test_hosted_tools_are_counted():
    items = [
        {"type": "web_search_call", "id": "ws_1", "action": {"type": kind}}
        for kind in ("search", "open_page")
    ]
    answer = response([*items, {"type": "code_interpreter_call"}, text("found")])
    assert folded(document(json.dumps(answer).encode())).usage.tool_calls == (
        ToolCount("web_search", 1),
        ToolCount("code_interpreter", 1),
    )
    answer["tool_usage"] = {"web_search": {"num_requests": 3}}
    assert ToolCount("web_search", 3) in folded(document(json.dumps(answer).encode())).usage.tool_calls


def test_unknown_events_and_odd_members_are_ignored():
    odd = [
        {"type": "response.telepathy.delta", "delta": "x"},
        {"type": "response.output_text.delta", "delta": 5},
        {"type": "response.output_item.done", "item": "none", "output_index": 9},
        {"type": 7},
        {"type": "response.output_text.annotation.added", "annotation": []},
    ]
    head, tail = events_of(ANSWER)[:3], events_of(ANSWER)[3:]
    assert events(sse(head), *[f"data: {json.dumps(each)}\n\n".encode() for each in odd], sse(tail)) == WHOLE


def test_what_is_no_response_is_malformed():
    with pytest.raises(MalformedStream):
        events(b"data: <html>\n\n")
    for raw in (b"<html>", b"[]", b'{"id":"x"}'):
        with pytest.raises(MalformedAnswer):
            list(document(raw))


def test_a_delta_is_one_event():
    event = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "a"}
    [delta] = events(f"data: {json.dumps(event)}\n\n".encode())[1:]
    assert delta == BlockDelta(0, "a")
