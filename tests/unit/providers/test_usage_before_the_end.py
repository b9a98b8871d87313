"""K2: a usage that came before the end of a stream is not what the call used. Servers report it with every event
(vLLM's `continuous_usage_stats`, which a client may ask for), or before the first one (bridges to Anthropic).
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.inference.relay import StreamRelay
from providers.dialects.base import Shape, final_usage, has_complete_usage
from providers.dialects.openai.passthrough import OpenAIToOpenAI
from providers.reported_usage.places import usage_in_error

DONE = b"data: [DONE]\n\n"


def used(completion: int) -> dict[str, int]:
    return {"prompt_tokens": 9, "completion_tokens": completion, "total_tokens": 9 + completion}


def event(*choices: dict[str, Any], usage: dict[str, int] | None = None, **more: Any) -> bytes:
    document = {"choices": list(choices), **({} if usage is None else {"usage": usage}), **more}
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def said(text: str = "", finish: str | None = None, index: int = 0) -> dict[str, Any]:
    return {"index": index, "delta": {"content": text}, "finish_reason": finish}


def stream_of(*events: bytes):
    stream = OpenAIToOpenAI(Shape(alias="m", path="chat/completions", stream=True)).stream()
    for each in events:
        stream.feed(each)
    return stream


def output_of(stream) -> int:
    usage = final_usage(stream)
    assert usage is not None
    return usage.total_output_tokens


EARLY = {
    "with every event": [event(said("a"), usage=used(1)), event(said("b"), usage=used(2))],
    "before the first one": [event(usage=used(1)), event(said("a")), event(said("b"))],
    "with the role": [event(said(), usage=used(1)), event(said("a"))],
    "beside thinking": [event({"index": 0, "delta": {"thinking": "hm"}}, usage=used(1))],
    "while another choice goes on": [
        event(said("a")), event(said("b", index=1)), event(said(finish="stop"), usage=used(7)),
    ],
    "at an end that was none": [event(said("a", "stop"), usage=used(1)), event(said("b", index=1))],
}  # fmt: skip
LATE = {
    "behind the last event": [event(said("a")), event(said(finish="stop")), event(usage=used(5))],
    "with the last event": [event(said("a")), event(said(finish="stop"), usage=used(5))],
    "with every event, the last one too": [
        event(said("a"), usage=used(1)), event(said(finish="length"), usage=used(5)),
    ],
    "of two choices": [
        event(said("a", "stop")), event(said("a", "stop", 1)), event(usage=used(5)),
    ],
    "without a word": [event(said(finish="content_filter")), event(usage=used(5))],
}  # fmt: skip


@pytest.mark.parametrize("kind", EARLY)
def test_what_came_before_the_end_is_not_the_last_word(kind):
    stream = stream_of(*EARLY[kind])
    assert stream.usage is not None
    assert not has_complete_usage(stream)
    assert final_usage(stream) is None


@pytest.mark.parametrize("kind", LATE)
def test_what_came_with_the_end_is(kind):
    stream = stream_of(*LATE[kind])
    assert has_complete_usage(stream)
    assert output_of(stream) == 5


@pytest.mark.parametrize("kind", LATE)
def test_of_a_stream_that_came_to_its_end_the_last_one_counts(kind):
    stream = stream_of(*LATE[kind], DONE)
    assert has_complete_usage(stream)
    assert final_usage(stream) is stream.usage


AFTER = {
    "a word": event(said("more")),
    "thinking": event({"index": 0, "delta": {"reasoning": "hm"}}),
    "a tool": event({"index": 0, "delta": {"tool_calls": [{"function": {"arguments": "{}"}}]}}),
    "a sound": event({"index": 0, "delta": {"audio": {"data": "QUJD"}}}),
    "a word in another shape": event({"index": 0, "delta": {"content": [{"text": "more"}]}}),
}


@pytest.mark.parametrize("kind", AFTER)
def test_usage_followed_by_output_is_not_whole(kind):
    for done in ([], [DONE]):
        stream = stream_of(event(said("a", "stop")), event(usage=used(1)), AFTER[kind], *done)
        assert not has_complete_usage(stream)


@pytest.mark.parametrize("nonsense", [{}, used(-1), {"seconds": -1}, {"prompt_tokens": "9"}])
def test_nonsense_at_the_end_does_not_make_a_last_word_of_an_early_one(nonsense):
    early, end = event(said("a"), usage=used(1)), event(said(finish="stop"))
    assert not has_complete_usage(stream_of(early, end, event(usage=nonsense)))


def test_seconds_are_no_usage_of_a_chat():
    raw = json.dumps({"choices": [{"message": {"content": "words"}}], "usage": {"seconds": 7}}).encode()
    answered = OpenAIToOpenAI(Shape(alias="m", path="chat/completions")).response(raw)
    assert answered.usage is not None
    assert answered.usage.is_lacking
    assert answered.produced == "words"
    assert usage_in_error(raw) is None


def test_a_provider_that_ends_with_an_error_has_said_it():
    stream = stream_of(event(usage=used(3)), b'data: {"error":{"message":"no"}}\n\n')
    assert output_of(stream) == 3


@pytest.mark.parametrize(
    ("events", "awaits"),
    [
        ([event(said("a", "stop"))], True),
        ([event(said("a"), usage=used(1)), event(said(finish="stop"))], True),  # the usage is still of before
        ([event(usage=used(1)), event(said("a", "stop"))], True),
        ([event(said("a", "stop"), usage=used(0))], True),
        ([event(said("a", "stop"), usage=used(1))], False),
        ([event(said("a"), usage=used(1))], False),  # it is not finished
        ([event(said("a", "stop")), event(usage=used(1))], False),
    ],
)
def test_the_last_word_of_a_finished_stream_is_waited_for(events, awaits):
    relay: Any = SimpleNamespace(_call=SimpleNamespace(stream=stream_of(*events)))
    assert StreamRelay.awaits_usage(relay) is awaits


@pytest.mark.parametrize(
    "member", ["reasoning_text", "thinking", "reasoning", "reasoning_content", "refusal"]
)
def test_thinking_counts_as_produced_under_every_name(member):
    stream = stream_of(event({"index": 0, "delta": {member: "hmm"}}))
    assert (stream.produced_bytes, stream.produced()) == (3, "hmm")


@pytest.mark.parametrize(
    ("delta", "produced"),
    [
        ({"content": "so", "reasoning_content": "hmm"}, "sohmm"),
        ({"content": "so", "reasoning": "hmm"}, "sohmm"),
        ({"content": "so", "reasoning_text": "hmm"}, "sohmm"),
        ({"content": "so", "thinking": "hmm"}, "sohmm"),
        ({"content": "so", "refusal": "no"}, "sono"),
        ({"content": "so", "function_call": {"name": "f", "arguments": "{}"}}, "sof{}"),
        ({"content": "so", "tool_calls": [{"function": {"arguments": "{}"}}], "reasoning": "hmm"}, "sohmm{}"),
        ({"content": "so", "reasoning": "hmm", "reasoning_content": "hmm"}, "sohmm"),
        ({"content": "so", "reasoning": "", "tool_calls": []}, "so"),
    ],
    ids=str,
)
def test_all_that_one_delta_or_message_carries_was_produced(delta, produced):
    stream = stream_of(event({"index": 0, "delta": delta}))
    assert (stream.produced_bytes, stream.produced()) == (len(produced), produced)
    raw = json.dumps({"choices": [{"index": 0, "message": delta}]}).encode()
    assert OpenAIToOpenAI(Shape(alias="m", path="chat/completions")).response(raw).produced == produced


SOUND = {"id": "audio_1", "data": "QUJD" * 2_000, "transcript": "four"}


@pytest.mark.parametrize("usage", [used(0), {"prompt_tokens": 0, "completion_tokens": 0}, None])
@pytest.mark.parametrize(
    "message",
    [
        {"content": None, "audio": SOUND},
        {"content": "", "audio": {"data": "QUJD"}},
        {"audio": {"transcript": "some words"}},
        {"content": None, "thinking": "hmm"},
        {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]},
    ],
    ids=["sound", "short sound", "transcript", "thinking", "tools"],
)
def test_an_answer_of_other_things_than_text_is_not_empty(message, usage):
    """M8: zeros beside it are no usage."""
    raw = json.dumps({"choices": [{"message": message}], "usage": usage}).encode()
    answered = OpenAIToOpenAI(Shape(alias="m", path="chat/completions")).response(raw)
    assert answered.produced


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        (b'{"error":{"message":"no"},"usage":{"prompt_tokens":9,"completion_tokens":5}}', 14),
        (b'{"usage":{"input_tokens":9,"output_tokens":5},"detail":"no"}', 14),
        (b'{"error":{"message":"no"}}', None),
        (b'{"error":{"message":"\\"usage\\" is bad"}}', None),
        (b'<html>"usage"</html>', None),
        (b'{"usage":{"prompt_tokens":0,"completion_tokens":0}}', None),
        (b'{"usage":[],"error":"no"}', None),
        (b"", None),
        (None, None),
    ],
)
def test_an_error_of_http_used_what_it_says(body, tokens):
    usage = usage_in_error(body)
    assert (usage.total_tokens if usage is not None else None) == tokens
