"""How Gemini's responses end: reasons, blocked prompts, errors, cuts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.conversation.events import (
    BlockDelta,
    BlockEnded,
    Ended,
    Failed,
    Finished,
    FinishReason,
    Started,
    UsageReported,
)
from providers.conversation.gemini.answer_reader import GeminiReader, document
from providers.framing.malformed import MalformedStream
from providers.json_scan.limits import MalformedAnswer
from tests.support.vendors.gemini_streams import STREAM, USAGE, chunk, read, sse, whole


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("STOP", FinishReason.STOP),
        ("MAX_TOKENS", FinishReason.LENGTH),
        ("CONTINUATION", FinishReason.LENGTH),
        ("SAFETY", FinishReason.CONTENT_FILTER),
        ("RECITATION", FinishReason.CONTENT_FILTER),
        ("BLOCKLIST", FinishReason.CONTENT_FILTER),
        ("PROHIBITED_CONTENT", FinishReason.CONTENT_FILTER),
        ("SPII", FinishReason.CONTENT_FILTER),
        ("MODEL_ARMOR", FinishReason.CONTENT_FILTER),
        ("IMAGE_SAFETY", FinishReason.CONTENT_FILTER),
        ("LANGUAGE", FinishReason.STOP),
        ("A_NEW_ONE", FinishReason.STOP),
    ],
)
def test_a_finish_reason_is_one_of_openais(reason: str, expected: FinishReason) -> None:
    finished = whole(read(sse(chunk([{"text": "x"}]), chunk(None, reason)))).choices[0].finished

    assert finished is not None
    assert (finished.reason, finished.vendor_reason) == (expected, reason)
    assert bool(finished.message) is (expected is FinishReason.CONTENT_FILTER)


def test_a_limit_that_thoughts_used_up_is_a_length_without_content() -> None:
    message = whole(read(sse(chunk(None, "MAX_TOKENS", usageMetadata=USAGE))))

    assert message.choices[0].reason is FinishReason.LENGTH
    assert message.choices[0].blocks == []
    assert message.is_ended


@pytest.mark.parametrize("as_stream", [True, False])
def test_a_blocked_prompt_is_a_content_filter_with_the_reason_and_the_bill(*, as_stream: bool) -> None:
    blocked = {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "Not this."},
        "usageMetadata": {"promptTokenCount": 12, "totalTokenCount": 12},
    }
    message = whole(read(sse(blocked)) if as_stream else list(document(json.dumps(blocked).encode())))
    finished = message.choices[0].finished

    assert finished == Finished(FinishReason.CONTENT_FILTER, "PROHIBITED_CONTENT", message="Not this.")
    assert message.is_ended
    assert message.usage is not None
    assert message.usage.total_input_tokens == 12


BROKEN = ("MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS")


@pytest.mark.parametrize("reason", BROKEN)
def test_output_that_google_could_not_read_is_a_failure_with_its_usage_if_nothing_was_sent(
    reason: str,
) -> None:
    message = whole(read(sse(chunk(None, reason, usageMetadata=USAGE))))

    assert message.failure is not None
    assert json.loads(message.failure)["error"]["code"] == 502
    assert message.usage is not None
    assert not message.is_ended


@pytest.mark.parametrize("reason", BROKEN)
def test_output_that_google_could_not_read_after_text_is_a_stop_that_says_why(reason: str) -> None:
    events = read(sse(chunk([{"text": "x"}]), chunk(None, reason, usageMetadata=USAGE)))

    assert Finished(FinishReason.STOP, reason) in events
    assert isinstance(events[-1], Ended)


@pytest.mark.parametrize("as_array", [True, False])
@pytest.mark.parametrize("framed", [True, False])
def test_an_error_in_the_stream_ends_it(*, as_array: bool, framed: bool) -> None:
    error = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}
    text = json.dumps([error] if as_array else error, indent=None if framed else 2).encode()
    events = read(sse(chunk([{"text": "x"}])), b"data: %b\r\n\r\n" % text if framed else text)

    assert isinstance(events[-1], Failed)
    assert b"overloaded" in events[-1].body
    assert not whole(events).is_ended


def test_nothing_counts_after_an_error() -> None:
    error = {"error": {"code": 500, "message": "broken"}}
    events = read(sse(chunk([{"text": "x"}]), error, chunk([{"text": "y"}], "STOP", usageMetadata=USAGE)))

    assert isinstance(events[-1], Failed)


def test_choices_are_told_apart_and_finish_together() -> None:
    def both(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
        return {"candidates": [first, {"index": 1, **second}]}

    def text(value: str) -> dict[str, Any]:
        return {"content": {"parts": [{"text": value}]}}

    stream = sse(both(text("a"), text("b")), both({"finishReason": "STOP"}, text("c")))
    cut = whole(read(stream))
    rest = sse({"candidates": [{"index": 1, "finishReason": "MAX_TOKENS"}], "usageMetadata": USAGE})
    message = whole(read(stream, rest))

    assert not cut.is_ended
    assert cut.choices[0].finished is None
    assert [message.choices[index].blocks[0].text for index in (0, 1)] == ["a", "bc"]
    assert [message.choices[index].reason for index in (0, 1)] == [FinishReason.STOP, FinishReason.LENGTH]
    assert message.is_ended


def test_log_probabilities_are_in_openais_form_and_with_their_text() -> None:
    first = chunk([{"text": "Hi"}])
    first["candidates"][0]["logprobsResult"] = {
        "chosenCandidates": [{"token": "Hi", "tokenId": 1, "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": "Ho", "logProbability": -1}]}],
    }
    delta = next(event for event in read(sse(first)) if isinstance(event, BlockDelta))

    assert delta.logprobs == [
        {
            "token": "Hi",
            "logprob": -0.5,
            "bytes": [72, 105],
            "top_logprobs": [{"token": "Ho", "logprob": -1.0, "bytes": [72, 111]}],
        }
    ]


def test_only_usage_with_counts_is_reported_and_the_last_is_final() -> None:
    usages = [event for event in read(sse(*STREAM)) if isinstance(event, UsageReported)]

    assert [event.is_final for event in usages] == [True]


ODD = [
    {"candidates": None},
    {"candidates": [None, 3, {"content": None}, {"content": {"parts": [None, {"inlineData": {}}]}}]},
    {"candidates": [{"index": "x", "content": {"parts": [{"text": 5}, {"functionCall": {"name": ""}}]}}]},
    {"promptFeedback": "x", "usageMetadata": [], "responseId": 7},
    {"usageMetadata": {"promptTokenCount": "many", "candidatesTokenCount": -3, "thoughtsTokenCount": 1e99}},
    {"candidates": [{"finishReason": 5, "logprobsResult": {"chosenCandidates": [1, {}]}}]},
    {"a new member": {}, "candidates": [{"groundingMetadata": {}, "content": {"parts": [{"new": 1}]}}]},
    [],
    5,
]


@pytest.mark.parametrize("odd", ODD)
def test_what_is_unknown_or_odd_is_passed_over(odd: Any) -> None:
    message = whole(read(sse(odd, chunk([{"text": "x"}], "STOP", usageMetadata=USAGE))))

    assert message.choices[0].blocks[-1].text == "x"
    assert message.is_ended


def test_what_is_no_json_is_malformed() -> None:
    with pytest.raises(MalformedStream):
        read(b"data: {nothing\n\n")
    with pytest.raises(MalformedAnswer):
        document(b"<html>")


def test_an_event_that_is_too_large_is_malformed() -> None:
    reader = GeminiReader(1000)
    with pytest.raises(MalformedStream, match="larger than 1000"):
        list(reader.feed(sse(chunk([{"text": "x" * 2000}]))))


def test_the_id_of_the_provider_comes_once() -> None:
    assert [event for event in read(sse(*STREAM)) if isinstance(event, Started)] == [Started("resp-1")]


def test_an_answer_without_candidates_is_not_complete() -> None:
    assert not any(isinstance(event, Ended) for event in document(b'{"usageMetadata":{}}'))
    assert [event for event in read(sse({})) if isinstance(event, BlockEnded | Ended)] == []
