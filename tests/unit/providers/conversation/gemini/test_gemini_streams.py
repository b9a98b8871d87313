"""Gemini's streams and documents become the same events however they are cut."""

from __future__ import annotations

import json

import pytest

from providers.conversation.events import (
    BlockStarted,
    FinishReason,
)
from providers.conversation.gemini.answer_reader import document
from tests.support.vendors.gemini_streams import SIGNATURE, STREAM, USAGE, chunk, read, shown, sse, whole


def test_a_stream_is_blocks_in_order_with_the_last_usage_and_an_end() -> None:
    message = whole(read(sse(*STREAM)))

    assert shown(message) == [
        ("thinking", "", "I look at the größe ✓", ""),
        ("text", "", "Two countries: 🎈 first", ""),
        ("thinking", "", "", "call_p1"),
        ("tool", "get_country", "{}", ""),
        ("tool", "get_city", '{"b":1,"a":[null,"ü"]}', ""),
    ]
    choice = message.choices[0]
    assert [block.signature for block in choice.blocks] == ["", "", SIGNATURE, "", ""]
    assert [block.id for block in choice.blocks if block.kind == "tool"] == ["call_p1", "own"]
    assert choice.reason is FinishReason.TOOL_CALLS
    assert message.is_ended
    assert message.id == "resp-1"
    assert message.usage is not None
    assert (message.usage.total_input_tokens, message.usage.total_output_tokens) == (29, 212)
    assert message.usage.reasoning_tokens == 202


def test_every_cut_of_a_stream_gives_the_same_events() -> None:
    raw = sse(*STREAM)
    expected = read(raw)
    for at in range(1, len(raw)):
        assert read(raw[:at], raw[at:]) == expected, at
    assert read(*[raw[at : at + 1] for at in range(len(raw))]) == expected


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_line_ends_do_not_matter(end: bytes) -> None:
    assert read(sse(*STREAM).replace(b"\r\n\r\n", end)) == read(sse(*STREAM))


def test_a_stream_that_is_cut_at_any_event_has_no_end() -> None:
    for count in range(len(STREAM)):
        assert not whole(read(sse(*STREAM[:count]))).is_ended


def test_a_document_gives_what_the_stream_of_the_same_parts_gives() -> None:
    parts = [part for each in STREAM for part in each["candidates"][0]["content"]["parts"]]
    found = whole(list(document(json.dumps(chunk(parts, "STOP", usageMetadata=USAGE)).encode())))
    streamed = whole(read(sse(*STREAM)))

    assert shown(found)[:2] == shown(streamed)[:2]
    assert [each[:3] for each in shown(found)] == [each[:3] for each in shown(streamed)]
    assert (found.usage, found.is_ended, found.id) == (streamed.usage, True, "resp-1")


def test_made_up_ids_differ_between_responses() -> None:
    call = chunk([{"functionCall": {"name": "f"}}, {"functionCall": {"name": "f"}}], "STOP")
    ids = [
        event.id
        for _ in range(3)
        for event in document(json.dumps(call).encode())
        if isinstance(event, BlockStarted)
    ]

    assert len(set(ids)) == 6
    assert all(each.replace("_", "").isalnum() for each in ids)


def test_an_id_that_the_provider_repeats_is_replaced() -> None:
    call = chunk([{"functionCall": {"name": "f", "id": "x"}}, {"functionCall": {"name": "f", "id": "x"}}])
    ids = [event.id for event in read(sse(call)) if isinstance(event, BlockStarted)]

    assert ids == ["x", "call_p1"]


def test_a_signed_text_is_not_merged_with_other_text() -> None:
    events = read(
        sse(
            chunk([{"text": "a"}]),
            chunk([{"text": "b", "thoughtSignature": "c2ln"}]),
            chunk([{"text": "c"}]),
            chunk([{"text": "", "thoughtSignature": "ZW5k"}], "STOP"),
        )
    )
    blocks = whole(events).choices[0].blocks

    assert [(block.kind, block.text, block.signature, block.place) for block in blocks] == [
        ("text", "a", "", ""),
        ("thinking", "", "c2ln", "text"),
        ("text", "b", "", ""),
        ("text", "c", "", ""),
        ("thinking", "", "ZW5k", "text"),
    ]


def test_thinking_before_a_signed_call_ends_with_its_signature() -> None:
    parts = [{"text": "hm", "thought": True}, {"functionCall": {"name": "f"}, "thoughtSignature": "c2ln"}]
    blocks = whole(read(sse(chunk(parts, "STOP")))).choices[0].blocks

    assert [(block.kind, block.text, block.signature, block.place) for block in blocks] == [
        ("thinking", "hm", "c2ln", "call_p1"),
        ("tool", "{}", "", ""),
    ]
