"""What is in the events and documents for clients of the Messages API."""

from __future__ import annotations

import json

import msgspec
import pytest

from providers.conversation.events import (
    BlockDelta,
    BlockEnded,
    BlockStarted,
    Event,
    Finished,
    FinishReason,
    Ping,
    Started,
    UsageReported,
)
from providers.conversation.messages import signatures
from providers.conversation.messages.answer_writer import MessagesStream
from providers.conversation.messages.reporting import usage_of
from providers.usage import ToolCount, Usage
from tests.support.conversation.messages_order import collected
from tests.unit.providers.conversation.messages.test_order_of_events import CONTEXT, in_order, written

LENGTH, STOP, CALLS, FILTER = (
    FinishReason.LENGTH,
    FinishReason.STOP,
    FinishReason.TOOL_CALLS,
    FinishReason.CONTENT_FILTER,
)


def message(*events: Event):
    return collected(written(in_order([*events])))


def block(number, kind, *texts, **end):
    return [
        BlockStarted(number, kind),
        *[BlockDelta(number, text) for text in texts],
        BlockEnded(number, **end),
    ]


@pytest.mark.parametrize(
    ("finished", "reason"),
    [
        (Finished(STOP), "end_turn"),
        (Finished(STOP, stop_sequence="END"), "stop_sequence"),
        (Finished(STOP, stop_sequence=""), "stop_sequence"),
        (Finished(STOP, "pause_turn"), "pause_turn"),
        (Finished(LENGTH), "max_tokens"),
        (Finished(LENGTH, "model_context_window_exceeded"), "model_context_window_exceeded"),
        (Finished(LENGTH, "MAX_TOKENS"), "max_tokens"),
        (Finished(CALLS), "tool_use"),
        (Finished(FILTER), "refusal"),
    ],
)
def test_reasons(finished, reason):
    found = message(*block(0, "text", "Hi"), finished)
    assert found["stop_reason"] == reason
    assert found["stop_sequence"] == (finished.stop_sequence if reason == "stop_sequence" else None)


def test_a_response_that_does_not_say_how_it_ended():
    assert message(*block(0, "text", "Hi"))["stop_reason"] == "end_turn"


def test_a_refusal_is_text_and_a_reason():
    found = message(*block(0, "refusal", "I ", "won't"), Finished(STOP))
    assert found["content"] == [{"type": "text", "text": "I won't"}]
    assert found["stop_reason"] == "refusal"
    assert found["stop_details"] == {"type": "refusal", "category": None, "explanation": "I won't"}


def test_the_providers_words_for_a_refusal_come_first():
    found = message(*block(0, "text", "Hm"), Finished(FILTER, message="It is about ..."))
    assert found["stop_details"]["explanation"] == "It is about ..."


def test_usage_in_anthropics_arithmetic():
    usage = Usage(
        input_tokens=1,
        image_input_tokens=2,
        audio_input_tokens=4,
        cached_input_tokens=8,
        cache_write_tokens=16,
        cache_write_1h_tokens=32,
        output_tokens=64,
        reasoning_tokens=128,
        tool_calls=(ToolCount("web_search", 3), ToolCount("other", 1)),
        service_tier="priority",
    )
    assert usage_of(usage) == {
        "input_tokens": 7,
        "cache_read_input_tokens": 8,
        "cache_creation_input_tokens": 48,
        "cache_creation": {"ephemeral_5m_input_tokens": 16, "ephemeral_1h_input_tokens": 32},
        "output_tokens": 192,
        "output_tokens_details": {"thinking_tokens": 128},
        "server_tool_use": {"web_search_requests": 3},
        "service_tier": "priority",
    }


def test_the_first_event_has_the_estimate_and_the_last_the_usage():
    stream = written(
        in_order(
            [*block(0, "text", "Hi"), Finished(STOP), UsageReported(Usage(input_tokens=5, output_tokens=2))]
        )
    )
    assert stream[0]["message"]["usage"]["input_tokens"] == CONTEXT.prompt_tokens
    assert stream[-2]["usage"]["input_tokens"] == 5
    assert stream[-2]["usage"]["output_tokens"] == 2


def test_the_first_event_has_the_usage_if_it_is_known():
    stream = written(in_order([Started("id", Usage(input_tokens=5, cached_input_tokens=3))]))
    usage = stream[0]["message"]["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"]) == (5, 3)


def test_usage_that_was_not_reported_is_estimated():
    usage = message(*block(0, "text", "12345678"), Finished(STOP))["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (11, 2)


def test_thinking_is_signed_and_read_again():
    found = message(*block(0, "thinking", "Hm", signature="SIG"), *block(1, "text", "Hi"))
    first, second = found["content"]
    assert second == {"type": "text", "text": "Hi"}
    read = signatures.read(first["thinking"], first["signature"], CONTEXT.ownership)
    assert read is not None
    assert (read.text, read.signature, read.owner) == ("Hm", "SIG", 7)


def test_a_signature_of_a_call_travels_in_a_block_without_text():
    found = message(*block(0, "thinking", signature="SIG", place="call_1"), *block(1, "tool"))
    read = signatures.read("", found["content"][0]["signature"], CONTEXT.ownership)
    assert read is not None
    assert (read.text, read.signature, read.place, read.owner) == ("", "SIG", "call_1", 7)


def test_redacted_thinking_is_a_block_of_its_own():
    found = message(*block(0, "thinking", "Hm", redacted="DATA"), *block(1, "thinking", redacted="MORE"))
    assert [each["type"] for each in found["content"]] == [
        "thinking",
        "redacted_thinking",
        "redacted_thinking",
    ]
    assert signatures.read_data(found["content"][2]["data"], CONTEXT.ownership).redacted == "MORE"


def test_a_call_without_an_id_gets_one():
    found = message(*block(0, "tool", "{}"), *block(1, "tool"))
    assert [each["id"] for each in found["content"]] == ["toolu_0123_0", "toolu_0123_1"]


def test_pings_pass_at_any_time():
    writer = MessagesStream(CONTEXT)
    assert writer.write(Ping()) == b'event: ping\ndata: {"type":"ping"}\n\n'


def test_the_message_has_the_alias_and_the_id_of_the_call():
    found = message(*block(0, "text", "Hi"))
    assert (found["id"], found["model"], found["role"], found["type"]) == (
        "msg_0123",
        "m",
        "assistant",
        "message",
    )


def test_nothing_is_marked_for_the_operators_own_call():
    context = msgspec.structs.replace(CONTEXT, ownership=None)
    stream = written(in_order(block(0, "thinking", "Hm", signature="SIG")), context)
    assert json.dumps(stream).count('"SIG"') == 1


def test_the_signature_of_a_text_is_not_the_last_block() -> None:
    """Claude Code takes the last block for the result; Gemini sends this signature behind its text."""
    bare = block(2, "thinking", signature="s", place="text")
    last = message(*block(1, "text", "Done."), *bare)
    assert [each["type"] for each in last["content"]] == ["text"]
    followed = message(*block(1, "text", "Done."), *bare, *block(3, "text", "More."))
    assert [each["type"] for each in followed["content"]] == ["text", "thinking", "text"]
    alone = message(*bare)
    assert [each["type"] for each in alone["content"]] == ["thinking"]
    thought = message(*block(1, "text", "Done."), *block(2, "thinking", "Hm", signature="s", place="text"))
    assert [each["type"] for each in thought["content"]] == ["text", "thinking"]
