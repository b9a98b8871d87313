"""Whatever an upstream sends, a client gets Responses' events in their order; the document has the same items."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from providers.conversation.apis import WriterContext
from providers.conversation.events import (
    BlockDelta,
    BlockEnded,
    BlockStarted,
    Ended,
    Finished,
    FinishReason,
    Ping,
    Started,
    UsageReported,
)
from providers.conversation.folding import Message, fold
from providers.conversation.responses import answer_writer
from providers.conversation.responses.answer_reader import Items
from providers.conversation.responses.answer_writer import ResponsesWriter
from providers.conversation.responses.request_reader import read
from providers.conversation.sequence import Sequence
from providers.isolation.ownership import Ownership
from providers.usage import Usage
from tests.support.conversation.responses_order import Order, parsed

ANNA = Ownership(b"a" * 32)
BODY = b"""{"model":"m","input":"hi",
"instructions":"Be\\nbrief.","tools":[{"type":"function",
"name":"f"}],"metadata":{"a":"b"}}"""
EVENT = TypeAdapter(ResponseStreamEvent)
KINDS = ("text", "thinking", "refusal", "tool")


def context():
    return WriterContext(
        alias="m", response_id="abc", created=1, conversation=read(BODY, ANNA), owner=7, ownership=ANNA
    )


blocks = st.integers(0, 4)
events = st.one_of(
    st.builds(
        BlockStarted, blocks, st.sampled_from(KINDS), st.just("call_1"), st.just("f"), is_custom=st.booleans()
    ),
    st.builds(BlockDelta, blocks, st.sampled_from(["", "a", "é\n", "{}"])),
    st.builds(BlockEnded, blocks, st.sampled_from(["", "signature"]), place=st.sampled_from(["", "text"])),
    st.builds(UsageReported, st.just(Usage(input_tokens=3, output_tokens=2))),
    st.just(Ping()),
)
reasons = st.sampled_from(FinishReason)


def written(several, reason):
    """Return the parsed events, the writer, and the folded message of a sequence."""
    writer, sequence, message, out = ResponsesWriter(context()), Sequence(), Message(), b""
    for event in [Started("vendor"), *several, Finished(reason, message="why"), Ended()]:
        for each in sequence.take(event):
            out += writer.write(each)
            fold(message, each)
    return parsed(out + writer.final), writer, message


@given(st.lists(events, max_size=30), reasons)
def test_events_come_in_the_order_of_the_api(several, reason):
    found, _, _ = written(several, reason)
    order = Order()
    for number, event in enumerate(found):
        assert event["sequence_number"] == number
        EVENT.validate_python(event)
        order.take(event)
    assert order.state == "over"
    assert found[-1]["type"] == (
        "response.incomplete"
        if reason in (FinishReason.LENGTH, FinishReason.CONTENT_FILTER)
        else "response.completed"
    )


@given(st.lists(events, max_size=30), reasons)
def test_the_document_is_the_stream_folded(several, reason):
    found, _, message = written(several, reason)
    document = json.loads(answer_writer.document(message, context()))
    Response.model_validate(document)
    last = found[-1]["response"]
    for each in (document, last):
        for item in each["output"]:
            item.pop("encrypted_content", None)  # it is sealed anew
    assert document == last


@given(st.lists(events, max_size=30), reasons)
def test_what_is_written_can_be_read_again(several, reason):
    found, _, message = written(several, reason)
    again, sequence, items = Message(), Sequence(), Items()
    for event in found:
        for read_event in items.take(event):
            for each in sequence.take(read_event):
                fold(again, each)
    kept = [
        (block.kind, block.text) for block in message.choice().blocks if block.text or block.kind == "tool"
    ]
    got = [(block.kind, block.text) for block in again.choice().blocks if block.text or block.kind == "tool"]
    refusal = (
        [("refusal", "why")] if reason is FinishReason.CONTENT_FILTER and not message.choice().blocks else []
    )
    assert got == kept + refusal
    assert again.usage == message.usage


@given(st.lists(events, max_size=10), reasons)
def test_a_failure_has_the_next_numbers_and_ends_the_stream(several, reason):
    found, writer, _ = written(several, reason)
    body = b'{"error":{"message":"It broke.","type":"api_error","param":null,"code":"upstream_error"}}'
    error, failed = parsed(writer.failed(body))
    assert error["sequence_number"] == found[-1]["sequence_number"]  # in place of the end, which was not sent
    assert failed["sequence_number"] == error["sequence_number"] + 1
    assert (error["code"], error["error"]["message"]) == ("upstream_error", "It broke.")
    assert failed["response"]["status"] == "failed"
    EVENT.validate_python(failed)


def test_a_members_line_breaks_do_not_end_an_event():
    [created, *_], _, _ = written([], FinishReason.STOP)
    assert created["response"]["tools"] == [{"type": "function", "name": "f"}]
    assert created["response"]["instructions"] == "Be\nbrief."


@pytest.mark.parametrize(
    ("usage", "document"),
    [
        (
            Usage(
                input_tokens=10,
                cached_input_tokens=5,
                cache_write_tokens=2,
                cache_write_1h_tokens=1,
                output_tokens=4,
                reasoning_tokens=3,
            ),
            {
                "input_tokens": 18,
                "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 3},
                "output_tokens": 7,
                "output_tokens_details": {"reasoning_tokens": 3},
                "total_tokens": 25,
            },
        ),
    ],
)
def test_usage_is_in_openais_arithmetic(usage, document):
    found, _, _ = written([UsageReported(usage)], FinishReason.STOP)
    assert found[-1]["response"]["usage"] == document
