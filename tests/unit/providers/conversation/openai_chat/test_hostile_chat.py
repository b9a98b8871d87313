"""Whatever JSON a server or a client sends, a reader answers with events or with its own refusal, in linear time."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.conversation.chat.request_reader import read as read_request
from providers.conversation.events import BlockEnded
from providers.conversation.openai_chat.call_reader import Calls
from providers.conversation.openai_chat.chunk import CallDelta, Function
from providers.conversation.openai_chat.side import OPENAI_CHAT
from providers.conversation.sequence import Sequence
from providers.framing.malformed import MalformedStream
from providers.json_scan.limits import MalformedAnswer
from providers.requests.money_classes import Unacceptable
from tests.support.conversation.chat_chunks import call, chunk, read, sse, whole

SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5)
NAMES = st.sampled_from(
    [
        *(
            "choices",
            "delta",
            "message",
            "content",
            "tool_calls",
            "function",
            "arguments",
            "name",
            "id",
            "index",
        ),
        *(
            "finish_reason",
            "usage",
            "error",
            "logprobs",
            "refusal",
            "reasoning_content",
            "thinking",
            "type",
            "text",
        ),
        *("annotations", "extra_content", "google", "thought_signature", "function_call", "custom", "x_groq"),
    ]
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
CHOICES = st.lists(st.dictionaries(NAMES, JSON, max_size=4), max_size=2)


@given(
    st.lists(
        st.dictionaries(NAMES, JSON, max_size=4) | CHOICES.map(lambda given: {"choices": given}), max_size=4
    )
)
def test_a_stream_of_anything(events: list[Any]) -> None:
    with contextlib.suppress(MalformedStream):
        whole(read(sse(*events)))


@given(CHOICES)
def test_a_document_of_anything(choices: list[Any]) -> None:
    sequence = Sequence()
    with contextlib.suppress(MalformedAnswer):
        events = OPENAI_CHAT.document(json.dumps({"choices": choices}).encode())
        whole([each for event in events for each in sequence.take(event)])


MEMBERS = st.sampled_from(
    [
        *(
            "role",
            "content",
            "tool_calls",
            "thinking_blocks",
            "refusal",
            "name",
            "tool_call_id",
            "function_call",
        ),
        *("cache_control", "audio", "extra_content", "text", "type", "image_url", "url", "file", "file_data"),
    ]
)
MESSAGE = st.dictionaries(MEMBERS, JSON, max_size=5)
ROLES = st.sampled_from(["user", "assistant", "system", "tool", "function"])


@given(
    st.lists(st.builds(lambda role, given: {**given, "role": role}, ROLES, MESSAGE), max_size=4), JSON, JSON
)
def test_a_request_of_anything(messages: list[Any], tools: Any, choice: Any) -> None:
    body = {"messages": messages, "tools": tools, "tool_choice": choice}
    with contextlib.suppress(Unacceptable, msgspec.DecodeError):
        read_request(json.dumps(body).encode(), None)


def test_calls_and_texts_that_alternate_are_not_checked_again_and_again() -> None:
    """The arguments of a call that never ends are looked at a few times only, however often a text interrupts it."""
    part = "x" * 1_000
    events: list[Any] = [chunk(call(index=0, id="a", function={"name": "f", "arguments": '{"' + part}))]
    for _ in range(2_000):
        events += (chunk({"content": "y"}), chunk(call(index=0, function={"arguments": part})))
    message = whole(read(sse(*events, chunk({}, "stop"))))
    assert len(message.choice().blocks[0].text) == 2_001_000 + 2


@pytest.mark.parametrize("named", [{}, {"index": 0}], ids=["no index", "one index"])
def test_what_another_call_costs_does_not_grow_with_the_calls_before(named: dict[str, Any]) -> None:
    """Counted: each start of a call looks at those before that may still end, of which there are few."""
    calls = Calls("c", 0)
    for number in range(2_000):
        delta = CallDelta(**named, id=f"c{number}", function=Function("f", '{"a":'))
        calls.take(delta, number, is_whole=False)
        assert len(calls.may_end) < 10
    assert sum(isinstance(event, BlockEnded) for event in calls.end(2_000)) == 2_000
