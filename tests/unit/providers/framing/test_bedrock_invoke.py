"""The events of Claude in the stream of InvokeModel, whatever way its bytes are split."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors.exceptions import ErrorWith200
from providers.framing.aws_event_stream import EventStreamParser
from providers.framing.aws_exceptions import error_in
from providers.framing.bedrock_invoke import BedrockInvokeParser
from providers.framing.malformed import MalformedStream
from providers.framing.sse import SseEvent
from tests.support.vendors.event_stream import error, event, exception

EVENTS = [
    b'{"type":"message_start","message":{"id":"msg_1"}}',
    b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"h\xc3\xa9"}}',
    b'{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":3}}',
]


def chunk(data: bytes) -> bytes:
    return event("chunk", {"bytes": base64.b64encode(data).decode(), "p": "abcd"})


STREAM = b"".join(map(chunk, EVENTS)) + exception("throttlingException", {"message": "Too many tokens"})
LAST = SseEvent(b'{"type":"error","error":{"type":"rate_limit_error","message":"Too many tokens"}}', "error")


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_any_split_gives_the_same_events(cuts: list[int]) -> None:
    parser, at, found = BedrockInvokeParser(), 0, []
    for end in (*sorted(cuts), len(STREAM)):
        found += parser.feed(STREAM[at:end])
        at = end
    assert found == [*EVENTS, LAST]
    assert parser.close() == b""


def test_a_chunk_that_is_none_is_malformed_after_the_events_before_it() -> None:
    parser = BedrockInvokeParser()
    assert parser.feed(chunk(EVENTS[0]) + event("chunk", {"bytes": "***"})) == EVENTS[:1]
    with pytest.raises(MalformedStream):
        parser.close()


def test_unknown_kinds_of_frames_are_passed_over() -> None:
    assert BedrockInvokeParser().feed(event("initial-response", {}) + chunk(EVENTS[0])) == EVENTS[:1]


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        (exception("throttlingException", {"message": "m"}), "limit"),
        (exception("validationException", {"message": "m"}), "request"),
        (exception("internalServerException", {}), "deployment"),
        (exception("serviceUnavailableException", {"message": "m"}), "deployment"),
        (exception("modelTimeoutException", {"message": "m"}), "deployment"),
        (
            exception("modelStreamErrorException", {"originalMessage": "m", "originalStatusCode": 529}),
            "deployment",
        ),
        (error("InternalFailure", "it broke"), "deployment"),
        (exception("brandNewException", {"message": "m"}), "deployment"),
    ],
)
def test_an_error_inside_a_stream_is_judged_by_its_name(frame: bytes, fault: str) -> None:
    (found,) = EventStreamParser().feed(frame)
    read = error_in(found)
    assert ErrorWith200(read.body).fault == fault
    assert json.loads(read.anthropic)["type"] == "error"
