"""A Responses stream passes: only ids, the model and salted names change, however its bytes are split."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.dialects.responses.marks import Marks
from providers.dialects.responses.stream import ResponsesStream
from providers.framing.malformed import MalformedStream
from providers.isolation.ownership import Ownership
from providers.usage import Usage
from tests.support.vendors.responses_events import call, events_of, sse, text, thought

ANNA = Ownership(b"a" * 32)
MARKS = Marks(alias="gpt", owner=7, ownership=ANNA, own={"user": b'"me"', "prompt_cache_key": b"null"})
BIG = 32 << 20


def response(output, status="completed"):
    items = [{"id": f"i_{place}", **item} for place, item in enumerate(output)]
    for item in items:
        if item["type"] == "reasoning":
            item["encrypted_content"] = item.pop("thought")
    usage = {"input_tokens": 40, "output_tokens": 12, "total_tokens": 52}
    return {
        "id": "resp_1", "object": "response", "status": status, "model": "up", "user": "salted", "output": items,
        "prompt_cache_key": "salted", "previous_response_id": "resp_0", "conversation": {"id": "conv_1"},
        "instructions": '"item_id":"i_1"', "metadata": {"id": "resp_1"}, "usage": usage, "new": {"id": "x"},
    }  # fmt: skip


ANSWER = response(
    [thought("deep"), text('say "item_id":"i_1" again'), call("f", {"id": "i_0", "item_id": "i_0"})]
)
STREAM = sse(events_of(ANSWER))


def passed(*blocks):
    stream = ResponsesStream(MARKS, None, BIG)
    out = b"".join([stream.feed(block) for block in blocks]) + stream.end()
    return out + stream.final, stream


def parsed(raw):
    return [json.loads(event.split("\ndata: ")[1]) for event in raw.decode().split("\n\n")[:-1]]


WHOLE, _ = passed(STREAM)


def expected(event):
    """Return an event as it is for the client."""
    event = json.loads(json.dumps(event))
    for name in ("item_id",):
        if name in event:
            event[name] = ANNA.mark_id(event[name], 7)
    for item in [event["item"]] if "item" in event else event.get("response", {}).get("output", ()):
        item["id"] = ANNA.mark_id(item["id"], 7)
        if "encrypted_content" in item:
            item["encrypted_content"] = ANNA.mark(item["encrypted_content"], 7, "reasoning")
    if "response" in event:
        found = event["response"]
        found |= {"model": "gpt", "user": "me", "prompt_cache_key": None}
        found["id"], found["previous_response_id"] = ANNA.mark_id("resp_1", 7), ANNA.mark_id("resp_0", 7)
        found["conversation"]["id"] = ANNA.mark_id("conv_1", 7)
    return event


def test_everything_but_ids_and_names_is_as_it_was():
    assert parsed(WHOLE) == [expected(event) for event in events_of(ANSWER)]


def test_every_split_of_every_byte_gives_the_same_bytes():
    for at in range(len(STREAM)):
        assert passed(STREAM[:at], STREAM[at:])[0] == WHOLE


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_any_splits_give_the_same_bytes(places):
    ends = [0, *sorted(places), len(STREAM)]
    assert passed(*[STREAM[begin:end] for begin, end in pairwise(ends)])[0] == WHOLE


@pytest.mark.parametrize("change", [b"\r\n", b"\r"])
def test_other_line_ends_become_the_usual_ones(change):
    assert passed(STREAM.replace(b"\n", change))[0] == WHOLE


def test_nothing_is_sent_before_the_content_and_not_the_end_before_it_is_recorded():
    stream = ResponsesStream(MARKS, None, BIG)
    first, second, third, *_ = STREAM.split(b"\n\n")
    assert stream.feed(first + b"\n\n" + second + b"\n\n") == b""
    before = stream.started
    assert stream.feed(third + b"\n\n").count(b"event: ") == 3
    assert (before, stream.started) == (False, True)
    out, stream = passed(STREAM)
    assert stream.done
    assert b"response.completed" not in out.removesuffix(stream.final)
    assert stream.usage == Usage(input_tokens=40, output_tokens=12)


@pytest.mark.parametrize("status", ["completed", "incomplete"])
def test_the_usage_is_that_of_the_end(status):
    _, stream = passed(sse(events_of(response([text("x")], status))))
    assert (stream.done, stream.usage) == (True, Usage(input_tokens=40, output_tokens=12))


@pytest.mark.parametrize("kind", ["error", "failed"])
def test_a_failure_has_the_usage_of_its_response(kind):
    events = events_of(ANSWER, "error") if kind == "error" else events_of(response([text("x")], "failed"))
    out, stream = passed(sse(events))
    assert stream.failure is not None
    assert stream.usage == Usage(input_tokens=40, output_tokens=12)
    assert b"response.failed" not in out
    body = b'{"error":{"message":"m","type":"api_error","param":null,"code":"c"}}'
    error, failed = parsed(stream.failed(body))
    assert error["sequence_number"] == parsed(out)[-1]["sequence_number"] + 1
    assert failed["response"]["id"] == ANNA.mark_id("resp_1", 7)
    assert failed["response"]["status"] == "failed"


def test_an_error_alone_is_a_failure_at_the_end_of_the_stream():
    _, stream = passed(
        b'event: error\ndata: {"type":"error","message":"No.","code":"x","sequence_number":0}\n\n'
    )
    assert json.loads(stream.failure)["message"] == "No."


def test_an_event_of_megabytes_crosses_reads():
    large = response([text("x" * 3_000_000)])
    raw = sse(events_of(large)[-1:])
    out, stream = passed(*[raw[at : at + 65_536] for at in range(0, len(raw), 65_536)])
    assert parsed(out)[-1]["response"]["output"][0]["content"][0]["text"] == "x" * 3_000_000
    assert stream.done


def test_unknown_events_and_members_pass():
    odd = {"type": "response.telepathy.delta", "delta": {"a": [1]}, "sequence_number": 2, "item": 5}
    out, _ = passed(sse([*events_of(ANSWER)[:2], odd]))
    assert parsed(out)[-1] == odd


def test_what_is_no_event_is_malformed():
    with pytest.raises(MalformedStream):
        passed(b"data: <html>\n\n")
