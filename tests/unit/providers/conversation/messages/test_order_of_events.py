"""Any sequence of a provider's events becomes a stream in Anthropic's order, and a document with the same content."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from providers.conversation.apis import WriterContext
from providers.conversation.events import (
    Annotated,
    BlockDelta,
    BlockEnded,
    BlockStarted,
    Ended,
    Event,
    Finished,
    FinishReason,
    Ping,
    Started,
    UsageReported,
)
from providers.conversation.folding import Message, fold
from providers.conversation.messages.answer_writer import MessagesStream, document
from providers.conversation.request import Conversation
from providers.conversation.sequence import Sequence
from providers.isolation.ownership import Ownership
from providers.usage import Usage
from tests.support.conversation.messages_order import collected, parsed

CONTEXT = WriterContext(
    alias="m",
    response_id="req_0123",
    created=0,
    conversation=Conversation(turns=()),
    owner=7,
    ownership=Ownership(b"tenant"),
    prompt_tokens=11,
)

numbers = st.integers(0, 3)
choices = st.sampled_from((0, 0, 0, 1))
texts = st.text(max_size=4) | st.sampled_from(("{}", '{"a":1}', "\ud800"))
usages = st.builds(
    Usage,
    input_tokens=st.integers(0, 9),
    cached_input_tokens=st.integers(0, 9),
    cache_write_tokens=st.integers(0, 9),
    output_tokens=st.integers(0, 9),
    reasoning_tokens=st.integers(0, 9),
)
ANNOTATION = {"type": "url_citation", "url_citation": {"url": "https://x", "title": "X"}}
events = st.one_of(
    st.builds(
        BlockStarted,
        numbers,
        st.sampled_from(("text", "thinking", "refusal", "tool")),
        id=st.sampled_from(("", "call_1")),
        name=st.just("f"),
        choice=choices,
    ),
    st.builds(BlockDelta, numbers, texts, choice=choices),
    st.builds(BlockDelta, numbers, texts, choice=choices),
    st.builds(Annotated, numbers, st.sampled_from((ANNOTATION, {}, {"type": "x"})), choice=choices),
    st.builds(
        BlockEnded,
        numbers,
        signature=st.sampled_from(("", "SIG")),
        redacted=st.sampled_from(("", "DATA")),
        place=st.sampled_from(("", "call_1", "text")),
        choice=choices,
    ),
    st.builds(UsageReported, usages),
    st.builds(Started, usage=usages | st.none()),
    st.builds(
        Finished,
        st.sampled_from(FinishReason),
        stop_sequence=st.sampled_from((None, "END")),
        choice=choices,
    ),
    st.builds(Ping),
)


def in_order(several: list[Event]) -> list[Event]:
    sequence = Sequence()
    return [each for event in [*several, Ended()] for each in sequence.take(event)]


def written(several: list[Event], context: WriterContext = CONTEXT) -> list[dict[str, Any]]:
    writer = MessagesStream(context)
    return parsed(b"".join([writer.write(event) for event in several]) + writer.final)


def same_arguments(block: dict[str, Any]) -> dict[str, Any]:
    """Return a streamed block with its arguments as the document has them."""
    if block["type"] != "tool_use":
        return block
    arguments = block["input"]
    if not arguments.strip():
        return block | {"input": {}}
    try:
        value = json.loads(arguments)
    except ValueError:
        value = None
    return block | {"input": value if isinstance(value, dict) else {"INVALID_JSON": arguments}}


@given(st.lists(events, max_size=30))
def test_any_sequence_is_a_stream_in_order_and_the_same_document(several):
    ordered = in_order(several)
    message = collected(written(ordered))
    folded = Message()
    for event in ordered:
        fold(folded, event)
    whole = json.loads(document(folded, CONTEXT))
    # Nothing is compared inside of texts that are split within a character: streams replace each half.
    assert [block["type"] for block in message["content"]] == [block["type"] for block in whole["content"]]
    if "\ufffd" not in json.dumps(message, ensure_ascii=False) + json.dumps(whole, ensure_ascii=False):
        assert [same_arguments(block) for block in message["content"]] == whole["content"]
    assert message["stop_reason"] == whole["stop_reason"]
    assert message["usage"] | {"output_tokens": 0} == whole["usage"] | {"output_tokens": 0}


@given(st.lists(events, max_size=30))
def test_no_block_is_empty_but_a_call_or_a_signature(several):
    for block in collected(written(in_order(several)))["content"]:
        assert block["type"] != "text" or block["text"] or block.get("citations")
        assert block["type"] != "thinking" or block["signature"]


@given(st.lists(events, max_size=20))
def test_the_end_is_only_in_the_final_bytes(several):
    writer = MessagesStream(CONTEXT)
    sent = b"".join([writer.write(event) for event in in_order(several)])
    assert b"message_stop" not in sent
    assert b"message_delta" not in sent
    assert writer.final.endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')


def test_a_broken_stream_ends_with_an_error():
    writer = MessagesStream(CONTEXT)
    writer.write(Started())
    assert writer.failed(b'{"type":"error"}') == b'event: error\ndata: {"type":"error"}\n\n'
    assert writer.final == b""
