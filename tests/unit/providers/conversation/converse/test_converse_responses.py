"""Responses of Converse become the same events, from a stream that is split anywhere or from a document."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.conversation.converse.answer_reader import AnswerReader, read_document
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
    Started,
    UsageReported,
)
from providers.conversation.folding import Message, fold
from providers.conversation.sequence import Sequence
from providers.errors.exceptions import ErrorWith200
from providers.framing.malformed import MalformedStream
from providers.json_scan.limits import MalformedAnswer
from providers.usage import Usage
from tests.support.vendors.event_stream import event, exception, frame, header

USAGE = {
    "inputTokens": 13, "outputTokens": 5, "totalTokens": 1522, "cacheReadInputTokens": 1504,
    "cacheWriteInputTokens": 0, "inputTokenCount": 13, "cacheReadInputTokenCount": 1504,
}  # fmt: skip
COUNTED = Usage(input_tokens=13, cached_input_tokens=1504, output_tokens=5)


def delta(at: int, **given: Any) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": at, "delta": given, "p": "abcd"})


def stop(at: int) -> bytes:
    return event("contentBlockStop", {"contentBlockIndex": at, "p": "a"})


def use(at: int, name: str = "f", ident: str = "tooluse_x") -> bytes:
    start = {"toolUse": {"toolUseId": ident, "name": name}}
    return event("contentBlockStart", {"contentBlockIndex": at, "start": start})


def ended(reason: str, **more: Any) -> bytes:
    return event("messageStop", {"stopReason": reason, **more})


METADATA = event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 522}, "p": "abc"})
BEGAN = event("messageStart", {"role": "assistant", "p": "abcde"})
STREAM = (
    BEGAN
    + delta(0, reasoningContent={"text": "The user…"})
    + delta(0, reasoningContent={"signature": "Eu0C"})
    + stop(0)
    + delta(1, text="")
    + delta(1, text=" Paris.")
    + stop(1)
    + use(2)
    + delta(2, toolUse={"input": '{"a"'})
    + delta(2, toolUse={"input": ": 1}"})
    + stop(2)
    + use(3, ident="tooluse_y")
    + stop(3)
    + ended("tool_use")
    + METADATA
)
DOCUMENT = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "The user…", "signature": "Eu0C"}}},
                {"text": " Paris."},
                {"toolUse": {"toolUseId": "tooluse_x", "name": "f", "input": {"a": 1}}},
                {"toolUse": {"toolUseId": "tooluse_y", "name": "f", "input": {}}},
            ],
        }
    },
    "stopReason": "tool_use",
    "usage": USAGE,
    "metrics": {"latencyMs": 1},
}


def events(stream: bytes, *cuts: int) -> list[Event]:
    reader, at, found = AnswerReader(), 0, list[Event]()
    for end in (*sorted(cuts), len(stream)):
        found += reader.feed(stream[at:end])
        at = end
    assert reader.unfinished_bytes == 0
    return [*found, *reader.close()]


def folded(found: list[Event]) -> Message:
    message, sequence = Message(), Sequence()
    for each in found:
        for ordered in sequence.take(each):
            fold(message, ordered)
    return message


def seen(message: Message) -> Any:
    blocks = [
        (each.kind, each.id, each.name, each.text, each.signature, each.redacted)
        for each in message.choice().blocks
    ]
    return blocks, message.choice().reason, message.usage, message.is_ended


BLOCKS = [
    ("thinking", "", "", "The user…", "Eu0C", ""),
    ("text", "", "", " Paris.", "", ""),
    ("tool", "tooluse_x", "f", '{"a": 1}', "", ""),
    ("tool", "tooluse_y", "f", "{}", "", ""),
]


def test_every_split_gives_the_same_events() -> None:
    whole = events(STREAM)
    assert seen(folded(whole)) == (BLOCKS, FinishReason.TOOL_CALLS, COUNTED, True)
    for at in range(0, len(STREAM), 3):
        assert events(STREAM, at) == whole


@given(st.lists(st.integers(0, len(STREAM)), max_size=10))
def test_any_split_gives_the_same_events(cuts: list[int]) -> None:
    assert events(STREAM, *cuts) == events(STREAM)


def test_a_document_folds_to_the_same_message() -> None:
    found = folded(list(read_document(json.dumps(DOCUMENT).encode())))
    assert seen(found) == (BLOCKS, FinishReason.TOOL_CALLS, COUNTED, True)


def test_the_message_has_ended_before_its_usage_is_known() -> None:
    reader = AnswerReader()
    early = list(reader.feed(BEGAN + delta(0, text="hi") + ended("end_turn")))
    assert isinstance(early[-1], Finished)
    assert not any(isinstance(each, Ended | UsageReported) for each in early)
    assert list(reader.feed(METADATA)) == [UsageReported(COUNTED, is_final=True), Ended()]


def test_a_stream_that_closes_after_its_end_is_complete_without_usage() -> None:
    found = events(BEGAN + delta(0, text="hi") + ended("end_turn"))
    assert isinstance(found[-1], Ended)
    assert folded(found).usage is None


def test_a_stream_that_closes_before_its_end_is_not_complete() -> None:
    assert not folded(events(BEGAN + delta(0, text="hi"))).is_ended


def test_text_before_reasoning_under_one_number_is_two_blocks() -> None:
    stream = BEGAN + delta(0, text="a") + delta(0, reasoningContent={"text": "b"}) + delta(0, text="c")
    blocks = folded(events(stream + ended("end_turn") + METADATA)).choice().blocks
    assert [(each.kind, each.text) for each in blocks] == [("text", "a"), ("thinking", "b"), ("text", "c")]


def test_redacted_reasoning_is_kept_as_it_is() -> None:
    stream = BEGAN + delta(0, reasoningContent={"redactedContent": "QUJD"}) + stop(0)
    found = folded(events(stream + ended("end_turn") + METADATA))
    assert [(each.kind, each.redacted) for each in found.choice().blocks] == [("thinking", "QUJD")]


def test_the_reserved_tool_is_text_and_a_custom_tool_has_its_text() -> None:
    stream = BEGAN + use(0, "respond_with_json__gw") + delta(0, toolUse={"input": '{"a":1}'}) + stop(0)
    found = folded(events(stream + ended("tool_use") + METADATA))
    assert [(each.kind, each.text) for each in found.choice().blocks] == [("text", '{"a":1}')]
    assert found.choice().reason is FinishReason.STOP
    stream = (
        BEGAN
        + use(0, "run__gw_text")
        + delta(0, toolUse={"input": '{"input":'})
        + delta(0, toolUse={"input": '"12"}'})
    )
    found = folded(events(stream + stop(0) + ended("tool_use") + METADATA))
    (block,) = found.choice().blocks
    assert (block.name, block.text, block.is_custom) == ("run", "12", True)
    assert found.choice().reason is FinishReason.TOOL_CALLS


@pytest.mark.parametrize(
    ("reason", "meaning"),
    [
        ("end_turn", FinishReason.STOP),
        ("stop_sequence", FinishReason.STOP),
        ("max_tokens", FinishReason.LENGTH),
        ("model_context_window_exceeded", FinishReason.LENGTH),
        ("guardrail_intervened", FinishReason.CONTENT_FILTER),
        ("content_filtered", FinishReason.CONTENT_FILTER),
        ("refusal", FinishReason.CONTENT_FILTER),
        ("a_new_one", FinishReason.STOP),
    ],
)
def test_reasons_of_the_end(reason: str, meaning: FinishReason) -> None:
    fields = {"stop_sequence": "END"} if reason == "stop_sequence" else None
    stream = BEGAN + delta(0, text="x") + ended(reason, additionalModelResponseFields=fields) + METADATA
    (finished,) = [each for each in events(stream) if isinstance(each, Finished)]
    assert (finished.reason, finished.vendor_reason) == (meaning, reason)
    assert finished.stop_sequence == ("END" if fields else None)
    assert folded(list(read_document(json.dumps(DOCUMENT | {"stopReason": reason}).encode()))).is_ended


def test_malformed_output_fails_once_its_usage_is_known() -> None:
    found = events(BEGAN + ended("malformed_tool_use") + METADATA)
    assert found[-2] == UsageReported(COUNTED, is_final=True)
    assert isinstance(found[-1], Failed)
    assert ErrorWith200(found[-1].body).retryable
    assert isinstance(events(BEGAN + ended("malformed_model_output"))[-1], Failed)
    with pytest.raises(MalformedAnswer) as fault:
        list(read_document(json.dumps(DOCUMENT | {"stopReason": "malformed_model_output"}).encode()))
    assert fault.value.usage == COUNTED


def test_an_exception_inside_the_stream_is_its_failure() -> None:
    found = events(BEGAN + delta(0, text="x") + exception("throttlingException", {"message": "slow down"}))
    assert isinstance(found[-1], Failed)
    assert ErrorWith200(found[-1].body).fault == "limit"


def test_unknown_kinds_are_passed_over() -> None:
    odd = (
        event("newEvent", {"x": 1})
        + event("contentBlockStart", {"contentBlockIndex": 9, "start": {"image": {"format": "png"}}})
        + delta(9, image={"source": {}})
        + delta(9, newKind={"a": 1})
        + stop(42)
        + delta(8, toolUse={"input": "of no block"})
    )
    assert seen(folded(events(BEGAN + odd + STREAM)))[0] == BLOCKS


@pytest.mark.parametrize("content", [None, []])
def test_a_message_without_content_is_still_one(content: Any) -> None:
    document = {
        "output": {"message": {"content": content}},
        "stopReason": "guardrail_intervened",
        "usage": USAGE,
    }
    found = folded(list(read_document(json.dumps(document).encode())))
    assert found.is_ended
    assert found.choice().reason is FinishReason.CONTENT_FILTER
    nothing = {"output": None, "stopReason": "end_turn", "usage": USAGE}
    assert folded(list(read_document(json.dumps(nothing).encode()))).is_ended


@pytest.mark.parametrize(
    ("raw", "has_body"),
    [(b"{}", False), (b'{"message":"no"}', True), (b"[", False), (b'{"output":3}', False)],
)
def test_what_is_no_response_is_malformed(raw: bytes, has_body: bool) -> None:  # noqa: FBT001
    with pytest.raises(MalformedAnswer) as fault:
        list(read_document(raw))
    assert (fault.value.body is not None) == has_body


def test_an_event_of_another_form_is_malformed_and_those_before_it_count() -> None:
    broken = frame(b"no json", header(":event-type", "contentBlockDelta"))
    with pytest.raises(MalformedStream):
        list(AnswerReader().feed(broken))
    found = list(AnswerReader().feed(BEGAN + delta(0, text="x") + broken))
    assert [type(each) for each in found] == [Started, BlockStarted, BlockDelta, Failed]


def test_citations_become_annotations() -> None:
    page = {"title": "T", "location": {"web": {"url": "https://x.example", "domain": "x.example"}}}
    stream = BEGAN + delta(0, text="said") + delta(0, citation=page) + stop(0) + ended("end_turn") + METADATA
    assert [each for each in events(stream) if isinstance(each, Annotated)] == [
        Annotated(
            0,
            {
                "type": "url_citation",
                "url_citation": {"start_index": 0, "end_index": 4, "url": "https://x.example", "title": "T"},
            },
        )
    ]
    content = [{"citationsContent": {"content": [{"text": "said"}], "citations": [page, {"title": "doc"}]}}]
    document = {"output": {"message": {"content": content}}, "stopReason": "end_turn", "usage": USAGE}
    (block,) = folded(list(read_document(json.dumps(document).encode()))).choice().blocks
    assert block.text == "said"
    assert [each["type"] for each in block.annotations] == ["url_citation", "citation"]


def test_a_block_that_never_ended_is_ended_with_its_message() -> None:
    found = events(BEGAN + delta(0, text="x") + ended("end_turn") + METADATA)
    assert [type(each) for each in found] == [
        Started, BlockStarted, BlockDelta, BlockEnded, Finished, UsageReported, Ended,
    ]  # fmt: skip
