"""Whatever a compatible server sends, the same events come out: text, thinking, usage, reasons and errors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.conversation.events import (
    Annotated,
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
from providers.conversation.openai_chat.side import OPENAI_CHAT
from providers.conversation.sequence import Sequence
from providers.framing.malformed import MalformedStream
from providers.json_scan.limits import MalformedAnswer
from tests.support.conversation.chat_chunks import READ, USAGE, call, chunk, read, said, sse, whole

GOOGLES = {"choices": [], "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 9}}


def test_a_text_of_openai() -> None:
    raw = sse(
        chunk({"role": "assistant", "content": "", "refusal": None}, obfuscation="x"),
        chunk({"content": "Hel"}),
        chunk({"content": "lo"}),
        chunk({}, "stop"),
        {"id": "c1", "choices": [], "usage": USAGE},
    )
    assert read(raw) == [
        Started("c1"),
        BlockStarted(0, "text"),
        BlockDelta(0, "Hel"),
        BlockDelta(0, "lo"),
        BlockEnded(0),
        Finished(FinishReason.STOP, "stop"),
        UsageReported(READ, is_final=True),
        Ended(),
    ]


def test_ids_of_chunks_that_change_are_one_response() -> None:
    events = read(sse(*[{**chunk({"content": "x"}), "id": f"c{n}"} for n in range(3)], chunk({}, "stop")))
    assert [event for event in events if isinstance(event, Started)] == [Started("c0")]


@pytest.mark.parametrize("member", ["reasoning_content", "reasoning", "reasoning_text", "thinking"])
def test_thinking_under_any_name(member: str) -> None:
    thought = chunk({member: "Hm", "content": None})
    assert said(thought, chunk({"content": "Hi"}), chunk({}, "stop")) == [("thinking", "Hm"), ("text", "Hi")]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["<think>Hm</think>\n\nHi"], [("thinking", "Hm"), ("text", "Hi")]),
        (["\n<", "think>\nH", "m<", "/think", ">", "\n", "Hi"], [("thinking", "Hm"), ("text", "Hi")]),
        (["<think>Hm < n</th</think>Hi <think>"], [("thinking", "Hm < n</th"), ("text", "Hi <think>")]),
        (["<think>never ends</th"], [("thinking", "never ends</th")]),
        (["<thin", "g>"], [("text", "<thing>")]),
        (["<th"], [("text", "<th")]),
        ([" ", "Hi"], [("text", " Hi")]),
        ([" "] * 100, [("text", " " * 100)]),
        (["a <think>b</think>"], [("text", "a <think>b</think>")]),
    ],
)
def test_thinking_in_the_text(texts: list[str], expected: list[tuple[str, str]]) -> None:
    assert said(*[chunk({"content": text}) for text in texts], chunk({}, "stop")) == expected


def test_content_as_a_list_of_parts() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}
    parts = chunk({"content": [thinking, {"type": "text", "text": "Hi"}]})
    assert said(parts, chunk({}, "stop")) == [("thinking", "Hm"), ("text", "Hi")]


def test_refusals_annotations_logprobs_and_signatures() -> None:
    note = {"type": "url_citation", "url_citation": {"url": "https://x"}}
    first = chunk({"content": "x", "annotations": [note]})
    first["choices"][0]["logprobs"] = {"content": [{"token": "x"}], "refusal": None}
    signed = call(index=0, id="a", function={"name": "f", "arguments": "{}"}, extra_content=_google("c2ln"))
    events = read(sse(first, chunk({"refusal": "No"}), chunk(signed), chunk({}, "stop")))
    assert BlockDelta(0, "x", [{"token": "x"}]) in events
    assert Annotated(0, note) in events
    assert BlockDelta(1, "No") in events
    assert BlockEnded(2, "c2ln", place="a") in events
    assert events.index(BlockEnded(2, "c2ln", place="a")) < events.index(BlockStarted(3, "tool", "a", "f"))


def _google(signature: str) -> dict[str, Any]:
    return {"google": {"thought_signature": signature}}


@pytest.mark.parametrize(
    ("last", "is_final"),
    [
        ([chunk({"content": "x"}), chunk({}, "stop"), {"choices": [], "usage": USAGE}], True),
        ([chunk({"content": "x"}), chunk({}, "stop", usage=USAGE)], True),
        ([chunk({"content": "x"}), {**chunk({}, "stop"), "x_groq": {"usage": USAGE}}], True),
        ([chunk({"content": "x"}, usage=USAGE), chunk({}, "stop", usage=None)], False),
        ([chunk({"content": "x"}), chunk({}, "stop"), GOOGLES], True),
    ],
)  # fmt: skip
def test_usage_is_found_wherever_it_is(last: list[Any], *, is_final: bool) -> None:
    reported = [event for event in read(sse(*last)) if isinstance(event, UsageReported)]
    assert reported == [UsageReported(READ, is_final=is_final)]


def test_usage_after_the_end_is_still_told() -> None:
    reader = OPENAI_CHAT.reader(1 << 20, None)
    events = [
        *reader.feed(sse(chunk({"content": "x"}, "stop")) + sse({"choices": [], "usage": USAGE}, done=False))
    ]
    assert events[-2:] == [Ended(), UsageReported(READ, is_final=True)]


def test_the_tier_is_that_of_the_response() -> None:
    events = read(sse(chunk({"content": "x"}, "stop", usage=USAGE, service_tier="priority")))
    assert [event.usage.service_tier for event in events if isinstance(event, UsageReported)] == ["priority"]


@pytest.mark.parametrize("reason", ["", None, "null", "none"])
def test_a_reason_that_is_none_does_not_end_a_choice(reason: Any) -> None:
    assert said(chunk({"content": "a"}, reason), chunk({"content": "b"}, "stop")) == [("text", "ab")]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("eos", "stop"),
        ("MAX_TOKENS", "length"),
    ],
)
def test_reasons(reason: str, expected: str) -> None:
    finished = [event for event in read(sse(chunk({"content": "x"}, reason))) if isinstance(event, Finished)]
    assert finished == [Finished(FinishReason(expected), reason)]


def test_a_stream_without_its_last_event_is_not_ended() -> None:
    events = read(sse(chunk({"content": "x"}), chunk({}, "stop"), done=False))
    assert isinstance(events[-1], Finished)
    assert not any(
        isinstance(event, Finished | Ended) for event in read(sse(chunk({"content": "x"}), done=False))
    )


def test_a_choice_without_a_reason_ends_with_the_stream() -> None:
    assert read(sse(chunk({"content": "x"})))[-2:] == [Finished(FinishReason.STOP), Ended()]


@pytest.mark.parametrize(
    "fault",
    [
        {"error": {"message": "overloaded"}},
        {**chunk({"content": "y"}), "error": {"message": "overloaded"}},
        {**chunk(), "x_groq": {"error": "overloaded"}},
        {"object": "error", "message": "overloaded"},
        chunk({}, "error"),
        {"choices": [{"index": 0, "delta": {}, "error": {"message": "overloaded"}}]},
    ],
)
def test_an_error_in_the_stream_ends_it(fault: Any) -> None:
    events = read(sse(chunk({"content": "x"}), fault, chunk({"content": "z"})))
    assert isinstance(events[-1], Failed)
    assert BlockDelta(0, "x") in events
    assert b"overloaded" in events[-1].body or b"finish_reason: error" in events[-1].body


def test_an_error_event_and_a_page_of_html() -> None:
    raw = b'event: error\ndata: {"message": "overloaded"}\n\n'
    assert read(raw) == [Failed(b'{"message": "overloaded"}')]
    with pytest.raises(MalformedStream) as broken:
        read(b"data: <html>busy</html>\n\n")
    assert b"busy" in (broken.value.body or b"")
    after = read(
        sse(chunk({"content": "x"})).removesuffix(b"data: [DONE]\n\n") + b"data: <html>busy</html>\n\n"
    )
    assert isinstance(after[-1], Failed)


def test_an_event_that_is_too_large_fails_the_stream() -> None:
    reader = OPENAI_CHAT.reader(100, None)
    with pytest.raises(MalformedStream):
        [*reader.feed(b"data: {" + b"x" * 200)]


def test_several_choices() -> None:
    message = whole(read(sse(*[chunk({"content": f"t{n}"}, "stop", n) for n in (1, 0)])))
    assert {index: choice.blocks[0].text for index, choice in message.choices.items()} == {0: "t0", 1: "t1"}


def test_a_document_gives_the_events_of_its_stream() -> None:
    said_whole = {
        "role": "assistant",
        "content": None,
        "reasoning": "Hm",
        "tool_calls": [
            {"id": n, "type": "function", "function": {"name": n, "arguments": "{}"}} for n in "ab"
        ],
    }
    raw = {
        "id": "c1",
        "choices": [{"index": 0, "message": said_whole, "finish_reason": "tool_calls"}],
        "usage": USAGE,
    }
    sequence = Sequence()
    events = [
        each for event in OPENAI_CHAT.document(json.dumps(raw).encode()) for each in sequence.take(event)
    ]
    message = whole(events)
    assert [(block.kind, block.id, block.text) for block in message.choice().blocks] == [
        ("thinking", "", "Hm"),
        ("tool", "a", "{}"),
        ("tool", "b", "{}"),
    ]
    assert (message.usage, message.is_ended) == (READ, True)
    assert message.choice().finished == Finished(FinishReason.TOOL_CALLS, "tool_calls")


@pytest.mark.parametrize(
    "raw",
    [
        b"<html>",
        b"[]",
        b'{"error": {"message": "no"}}',
        b'{"choices": []}',
        b'{"choices": [{"message": {"content": "x"}, "finish_reason": "error"}]}',
    ],
)
def test_a_document_that_is_no_response(raw: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        OPENAI_CHAT.document(raw)
