"""Chat chunks, and chat completions, that are written from events."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from providers.conversation.apis import WriterContext
from providers.conversation.chat.call_ids import with_signature
from providers.conversation.chat.side import CHAT
from providers.conversation.content import Thinking
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
from providers.conversation.request import Conversation, Turn
from providers.isolation.ownership import Ownership
from providers.usage import Usage

OWNERSHIP = Ownership(b"a tenant")
USAGE = Usage(
    input_tokens=1, cached_input_tokens=2, cache_write_tokens=3, cache_write_1h_tokens=4, output_tokens=5,
    reasoning_tokens=6, service_tier="flex",
)  # fmt: skip
IN_TOTALS = {
    "prompt_tokens": 10,
    "completion_tokens": 11,
    "total_tokens": 21,
    "prompt_tokens_details": {"cached_tokens": 2, "audio_tokens": 0, "cache_write_tokens": 7},
    "completion_tokens_details": {
        "reasoning_tokens": 6,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
STOP = Finished(FinishReason.STOP)
CALLED = Finished(FinishReason.TOOL_CALLS)


def context(**more: Any) -> WriterContext:
    conversation = Conversation(turns=(Turn("user", ()),), uses_old_functions=more.pop("old", False))
    return WriterContext(
        alias="chat",
        response_id="abc",
        created=9,
        conversation=conversation,
        owner=7,
        ownership=OWNERSHIP,
        **more,
    )


def written(*events: Event, **more: Any) -> list[Any]:
    """Return the chunks, whose common members are checked."""
    writer = CHAT.stream_writer(context(**more))
    out = b"".join([writer.write(event) for event in events])
    *lines, last = out.decode().split("\n\n")
    assert last == ""
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines]
    for chunk in chunks:
        assert (chunk.pop("id"), chunk.pop("object")) == ("chatcmpl-abc", "chat.completion.chunk")
        assert (chunk.pop("created"), chunk.pop("model")) == (9, "chat")
    return chunks


def deltas(*events: Event, **more: Any) -> list[Any]:
    """Return what each chunk after the first one adds."""
    first, *rest = [chunk["choices"][0] for chunk in written(Started(), *events, **more)]
    assert first["delta"] == {"role": "assistant", "content": "", "refusal": None}
    return [choice["delta"] for choice in rest]


def message(*events: Event, **more: Any) -> dict[str, Any]:
    folded = Message()
    for event in events:
        fold(folded, event)
    document: dict[str, Any] = json.loads(CHAT.document(folded, context(**more)))
    return document


def test_a_text_is_streamed_as_openai_streams_it() -> None:
    events = (Started("up", USAGE), BlockStarted(0, "text"), BlockDelta(0, 'a "b"'), BlockEnded(0), STOP)
    assert written(*events, Ended()) == [
        {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]}
        for delta, reason in (
            ({"role": "assistant", "content": "", "refusal": None}, None),
            ({"content": 'a "b"'}, None),
            ({}, "stop"),
        )
    ]


def test_the_end_is_set_when_the_events_have_ended() -> None:
    writer = CHAT.stream_writer(context())
    writer.write(Started())
    writer.write(STOP)
    assert writer.final == b""
    assert writer.write(Ended()) == b""
    assert writer.final == b"data: [DONE]\n\n"
    assert writer.write(Ping()) == b": ping\n\n"
    assert writer.write(Failed(b"{}")) == b""


def test_usage_is_the_last_chunk_if_it_was_asked_for() -> None:
    chunks = written(Started(), STOP, UsageReported(USAGE), Ended(), includes_usage=True)
    assert [chunk["usage"] for chunk in chunks] == [None, None, IN_TOTALS]
    assert chunks[-1]["choices"] == []
    assert all("usage" not in chunk for chunk in written(Started(), STOP, UsageReported(USAGE), Ended()))


def test_calls_count_from_zero_whatever_blocks_there_are() -> None:
    assert deltas(
        BlockStarted(0, "text"), BlockDelta(0, "x"), BlockEnded(0),
        BlockStarted(1, "tool", "a", "f"), BlockDelta(1, "{"), BlockDelta(1, "}"), BlockEnded(1),
        BlockStarted(2, "tool", "b", "c", is_custom=True), BlockDelta(2, "raw"), BlockEnded(2),
        CALLED,
    )[1:] == [
        {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]},
        {"tool_calls": [{"index": 1, "id": "b", "type": "custom", "custom": {"name": "c", "input": ""}}]},
        {"tool_calls": [{"index": 1, "custom": {"input": "raw"}}]},
        {},
    ]  # fmt: skip


def test_each_choice_has_its_role_and_its_own_calls() -> None:
    chunks = written(
        Started(),
        BlockStarted(0, "tool", "a", "f", choice=0),
        BlockStarted(0, "tool", "b", "f", choice=1),
        msgspec.structs.replace(CALLED, choice=1),
    )
    choices = [chunk["choices"][0] for chunk in chunks]
    assert [choice["index"] for choice in choices] == [0, 0, 1, 1, 1]
    assert [choice["delta"].get("role") for choice in choices] == ["assistant", None, "assistant", None, None]
    assert [call["index"] for choice in choices for call in choice["delta"].get("tool_calls", ())] == [0, 0]


def test_old_functions_are_answered_in_the_old_form() -> None:
    events = (BlockStarted(0, "tool", "a", "f"), BlockDelta(0, "{}"), BlockEnded(0), CALLED)
    assert deltas(*events, old=True) == [
        {"function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": "{}"}},
        {},
    ]
    [choice] = message(Started(), *events, old=True)["choices"]
    assert choice["finish_reason"] == "function_call"
    assert choice["message"]["function_call"] == {"name": "f", "arguments": "{}"}


def test_thinking_is_shown_and_its_blocks_come_whole_with_marked_signatures() -> None:
    events = (
        BlockStarted(0, "thinking"), BlockDelta(0, "H"), BlockDelta(0, "m"), BlockEnded(0, "sig"),
        BlockStarted(1, "thinking"), BlockEnded(1, redacted="hidden"),
        BlockStarted(2, "thinking"), BlockDelta(2, "unsigned"), BlockEnded(2),
        BlockStarted(3, "text"), BlockDelta(3, "x"), BlockEnded(3), STOP,
    )  # fmt: skip
    first = {"type": "thinking", "thinking": "Hm", "signature": OWNERSHIP.mark("sig", 7, "thinking")}
    second = {"type": "redacted_thinking", "data": OWNERSHIP.mark("hidden", 7, "thinking")}
    assert deltas(*events) == [
        {"reasoning_content": "H"},
        {"reasoning_content": "m"},
        {"thinking_blocks": [first]},
        {"thinking_blocks": [second]},
        {"reasoning_content": "unsigned"},
        {"content": "x"},
        {},
    ]
    said = message(Started(), *events)["choices"][0]["message"]
    assert (said["reasoning_content"], said["content"]) == ("Hmunsigned", "x")
    assert said["thinking_blocks"] == [first, second]


@pytest.mark.parametrize("place", ["a", "tool"])
def test_a_signature_of_google_is_beside_its_call_and_behind_its_id(place: str) -> None:
    events = (
        BlockStarted(0, "thinking"), BlockEnded(0, "c2ln", place=place),
        BlockStarted(1, "tool", "a", "f"), BlockEnded(1),
        BlockStarted(2, "tool", "b", "f"), BlockEnded(2), CALLED,
    )  # fmt: skip
    signature = OWNERSHIP.mark("c2ln", 7, "thinking")
    signed = {
        "id": with_signature("a", signature),
        "extra_content": {"google": {"thought_signature": signature}},
    }
    calls = [delta["tool_calls"][0] for delta in deltas(*events)[:-1]]
    whole = message(Started(), *events)["choices"][0]["message"]
    assert "thinking_blocks" not in whole
    for found in (calls, whole["tool_calls"]):
        assert [call["id"] for call in found] == [signed["id"], "b"]
        assert found[0]["extra_content"] == signed["extra_content"]
        assert "extra_content" not in found[1]


def test_a_signed_thought_of_google_comes_back_as_one() -> None:
    events = (BlockStarted(0, "thinking"), BlockDelta(0, "Hm"), BlockEnded(0, "c2ln", place="thought"), STOP)
    block = {"type": "thinking", "thinking": "Hm", "signature": OWNERSHIP.mark("c2ln", 7, "thinking")}
    block["place"] = "thought"
    assert deltas(*events)[1] == {"thinking_blocks": [block]}
    said = message(Started(), *events)["choices"][0]["message"]
    assert said["thinking_blocks"] == [block]
    asked = {"messages": [said, {"role": "user", "content": "x"}]}
    found = CHAT.read(json.dumps(asked).encode(), OWNERSHIP)
    assert found.turns[0].parts[0] == Thinking("Hm", "c2ln", owner=7, place="thought")
    assert found.owners == {7}


def test_a_signature_of_google_on_a_text_is_beside_the_text() -> None:
    events = (
        BlockStarted(0, "thinking"), BlockEnded(0, "c2ln", place="text"),
        BlockStarted(1, "text"), BlockDelta(1, "x"), BlockEnded(1), STOP,
    )  # fmt: skip
    extra = {"google": {"thought_signature": OWNERSHIP.mark("c2ln", 7, "thinking")}}
    assert deltas(*events)[0] == {"extra_content": extra}
    assert message(Started(), *events)["choices"][0]["message"]["extra_content"] == extra


def test_refusals_annotations_and_logprobs() -> None:
    note = {"type": "url_citation", "url_citation": {"url": "https://x"}}
    events = (
        BlockStarted(0, "text"), BlockDelta(0, "x", [{"token": "x"}]), Annotated(0, note), BlockEnded(0),
        BlockStarted(1, "refusal"), BlockDelta(1, "No"), BlockEnded(1),
        Finished(FinishReason.CONTENT_FILTER, message="unused"),
    )  # fmt: skip
    chunks = written(Started(), *events)
    assert chunks[1]["choices"][0]["logprobs"] == {"content": [{"token": "x"}], "refusal": None}
    assert [chunk["choices"][0]["delta"] for chunk in chunks[2:4]] == [
        {"annotations": [note]},
        {"refusal": "No"},
    ]
    [choice] = message(Started(), *events)["choices"]
    assert choice["logprobs"] == {"content": [{"token": "x"}], "refusal": None}
    said = choice["message"]
    assert (said["content"], said["refusal"], said["annotations"]) == ("x", "No", [note])


def test_why_a_provider_refused_is_the_refusal() -> None:
    refused = Finished(FinishReason.CONTENT_FILTER, "refusal", message="Not allowed.")
    assert deltas(refused) == [{"refusal": "Not allowed."}, {}]
    [choice] = message(Started(), refused, BlockStarted(0, "text"))["choices"]
    assert choice["message"]["refusal"] == "Not allowed."


def test_a_document_is_a_chat_completion() -> None:
    events = (BlockStarted(0, "tool", "a", "f"), BlockDelta(0, "{}"), BlockEnded(0), CALLED)
    document = message(Started("up"), *events, UsageReported(USAGE), Ended())
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    said = {"role": "assistant", "content": None, "refusal": None, "annotations": [], "tool_calls": [call]}
    choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": "tool_calls"}
    assert document == {
        "id": "chatcmpl-abc",
        "object": "chat.completion",
        "created": 9,
        "model": "chat",
        "choices": [choice],
        "usage": IN_TOTALS,
        "service_tier": "flex",
    }


def test_an_empty_answer_has_an_empty_text() -> None:
    [choice] = message(Started(), Finished(FinishReason.LENGTH))["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("", "length")
