"""A Messages stream passes as bytes; what it used and how it ended are read on the way."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.dialects.anthropic.aliased import Owner
from providers.dialects.anthropic.stream import STOP, AnthropicStream
from providers.dialects.anthropic.whole import as_events, fold, read_message
from providers.dialects.base import final_usage, has_complete_usage
from providers.framing.malformed import MalformedStream
from providers.isolation.ownership import THINKING
from providers.isolation.tenant_salt import Salts
from providers.json_scan.limits import MalformedAnswer
from tests.support.vendors.anthropic import THOUGHT, USAGE, event, message, stream

SALT = Salts(b"secret").for_tenant(1)
BLOCKS: list[dict[str, Any]] = [
    THOUGHT,
    {"type": "redacted_thinking", "data": "secret"},
    {"type": "text", "text": "Grüße, \U0001f600!"},
    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"model": "claude-up"}},
]
STREAM = stream(BLOCKS, "tool_use")
LAST = event("message_stop")


def reader(*, marks: bool = True) -> AnthropicStream:
    made = AnthropicStream("claude", Owner(7, SALT.ownership if marks else None))
    made.set_target("claude-up", ("sk-secret",))
    return made


def passed(*blocks: bytes, marks: bool = True) -> tuple[AnthropicStream, bytes]:
    made = reader(marks=marks)
    out = b"".join([made.feed(block) for block in blocks]) + made.end()
    return made, out


def test_only_the_model_changes_and_the_last_event_is_withheld() -> None:
    made, out = passed(STREAM, marks=False)
    assert out + made.final == STREAM.replace(
        b'"model": "claude-up", "content"', b'"model": "claude", "content"'
    )
    assert made.final == LAST
    assert made.done
    assert made.started


def test_signatures_and_redacted_data_are_marked() -> None:
    made, out = passed(STREAM)
    expected = STREAM.replace(b'"model": "claude-up", "content"', b'"model": "claude", "content"')
    for text in ("sig-1", "secret"):
        marked = SALT.ownership.mark(text, 7, THINKING)
        expected = expected.replace(f'"{text}"'.encode(), f'"{marked}"'.encode())
        assert SALT.ownership.read(marked, THINKING) == (text, 7)
    assert out + made.final == expected


def test_usage_and_progress() -> None:
    made, _ = passed(STREAM)
    usage = final_usage(made)
    assert usage is not None
    assert (usage.total_input_tokens, usage.output_tokens, usage.reasoning_tokens) == (17, 5, 4)
    assert has_complete_usage(made)
    assert made.produced() == 'Hm.Grüße, \U0001f600!weather{"model": "claude-up"}'
    assert made.produced_bytes == len(made.produced().encode())


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_every_split_gives_the_same_bytes(cuts: list[int]) -> None:
    at = [0, *sorted(cuts), len(STREAM)]
    made, out = passed(*[STREAM[a:b] for a, b in pairwise(at)])
    whole, expected = passed(STREAM)
    assert (out, made.usage, made.done, made.final) == (expected, whole.usage, True, whole.final)


def test_byte_by_byte() -> None:
    assert passed(*[bytes([each]) for each in STREAM])[1] == passed(STREAM)[1]


def events() -> list[bytes]:
    return [part + b"\n\n" for part in STREAM.split(b"\n\n") if part]


def test_at_every_event_it_is_known_what_is_final() -> None:
    parts = events()
    for number in range(len(parts)):
        made, _ = passed(*parts[:number])
        is_over = number >= len(parts) - 1
        assert made.is_finished is made.done is is_over
        assert has_complete_usage(made) is is_over
        assert (final_usage(made) is not None) is is_over


def test_a_stream_that_ends_after_its_reason_is_complete_and_one_that_ends_before_is_not() -> None:
    made, _ = passed(*events()[:-1])
    assert made.done
    assert made.final == STOP
    made, _ = passed(*events()[:-2])
    assert not made.done


def test_content_begins_with_the_first_block_that_shows_any() -> None:
    made = reader()
    made.feed(event("message_start", message=message([])) + event("ping"))
    made.feed(event("content_block_start", index=0, content_block={"type": "text", "text": ""}))
    assert not made.started
    made.feed(event("content_block_delta", index=0, delta={"type": "text_delta", "text": "a"}))
    assert made.started


def test_an_error_ends_the_stream_and_the_prompt_is_no_final_usage() -> None:
    begun = event("message_start", message=message([]) | {"usage": USAGE})
    text = event("content_block_start", index=0, content_block={"type": "text", "text": "a"})
    error = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    made, out = passed(begun + text + error + text)
    assert made.failure is not None
    assert b"overloaded_error" in made.failure
    assert out.count(b"event: ") == 2
    assert final_usage(made) is None
    assert made.usage is not None
    assert not made.done


def test_unknown_events_pass_without_our_secrets() -> None:
    new = event("new_kind", index=3, value="x")
    assert passed(new)[1] == new
    assert b"sk-secret" not in passed(event("new_kind", value="the key sk-secret"))[1]
    delta = event("content_block_delta", index=0, delta={"type": "new_delta", "x": [1]})
    assert passed(delta)[1] == delta


def test_an_event_without_a_name_gets_one() -> None:
    assert passed(b'data: {"type":"ping"}\n\n')[1] == b'event: ping\ndata: {"type":"ping"}\n\n'
    assert (
        passed(b'event: ping\ndata: {"type":\ndata: "ping"}\n\n')[1]
        == b'event: ping\ndata: {"type": "ping"}\n\n'
    )


def test_what_is_no_event_of_this_api_is_malformed() -> None:
    with pytest.raises(MalformedStream):
        passed(b"data: <html>\n\n")
    made, out = passed(event("ping") + b"data: <html>\n\n")
    assert out == event("ping")
    assert made.failure is not None


def test_an_event_that_is_too_large() -> None:
    made = AnthropicStream("claude", Owner(7), max_event=100)
    with pytest.raises(MalformedStream):
        made.feed(b"data: {" + b"x" * 200)


def test_a_whole_message() -> None:
    raw = json.dumps(message(BLOCKS, "tool_use"), indent=1).encode()
    answered = read_message(raw, "claude", Owner(7, SALT.ownership))
    marked = [SALT.ownership.mark(text, 7, THINKING).encode() for text in ("sig-1", "secret")]
    expected = raw.replace(b'"model": "claude-up",\n "content"', b'"model": "claude",\n "content"')
    expected = expected.replace(b'"sig-1"', b'"%b"' % marked[0]).replace(b'"secret"', b'"%b"' % marked[1])
    assert answered.body == expected
    assert answered.is_known
    assert answered.usage is not None
    assert answered.usage.total_output_tokens == 9


def test_a_whole_message_without_usage_has_its_text() -> None:
    raw = json.dumps(message(BLOCKS) | {"usage": None}).encode()
    answered = read_message(raw, "claude", Owner(7))
    assert answered.usage is None
    assert answered.produced == 'Hm.Grüße, \U0001f600!weather{"model": "claude-up"}'


@pytest.mark.parametrize("raw", [b"<html>", b"[]", b"{}", b'{"type":"error","error":{"type":"api_error"}}'])
def test_what_is_no_message_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedAnswer) as caught:
        read_message(raw, "claude", Owner(7))
    assert (caught.value.body == raw) is raw.startswith(b'{"type":"error"')


def test_the_other_form_is_the_same_message() -> None:
    whole = message(BLOCKS, "tool_use")
    raw = json.dumps(whole).encode()
    made, out = passed(as_events(raw), marks=False)
    assert made.done
    assert json.loads(fold(out)) == whole | {"model": "claude"}
    _, streamed = passed(STREAM, marks=False)
    assert json.loads(fold(streamed)) == whole | {"model": "claude"}


def test_the_other_form_of_what_is_no_message() -> None:
    made, _ = passed(as_events(b'{"type":"error","error":{"type":"api_error"}}'))
    assert made.failure is not None
    assert as_events(b"{}") == b""
    for raw in (b"", b"data: 1\n\n"):
        with pytest.raises(MalformedAnswer):
            fold(raw)
