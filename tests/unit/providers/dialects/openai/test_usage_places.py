"""C29 of real providers: usage in other places, in several pieces, as text, and taken back by zeros."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.dialects.base import Shape, has_complete_usage
from providers.dialects.openai.passthrough import OpenAIToOpenAI
from providers.reported_usage.places import usage_in
from providers.usage import Usage

FIVE = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
ZEROS = dict.fromkeys(FIVE, 0)
CHOICE: dict[str, Any] = {"index": 0, "delta": {"content": "word"}, "finish_reason": "stop"}


def stream_of(*documents: dict[str, Any] | str):
    stream = OpenAIToOpenAI(Shape(alias="m", path="chat/completions", stream=True)).stream()
    block = ""
    for each in documents:
        block += f"data: {each if isinstance(each, str) else json.dumps(each)}\n\n"
    stream.feed(block.encode())
    stream.end()
    return stream


def answer(document: dict[str, Any]):
    return OpenAIToOpenAI(Shape(alias="m", path="chat/completions")).response(json.dumps(document).encode())


PLACES: dict[str, dict[str, Any]] = {
    "at the top": {"usage": FIVE},
    "in the choice": {"choices": [{**CHOICE, "usage": FIVE}]},
    "in the choice, and null at the top": {"choices": [{**CHOICE, "usage": FIVE}], "usage": None},
    "in the delta": {"choices": [{**CHOICE, "delta": {"content": "word", "usage": FIVE}}]},
    "in the message": {"choices": [{"message": {"content": "word", "usage": FIVE}, "finish_reason": "stop"}]},
    "in x_groq": {"x_groq": {"id": "r", "usage": FIVE}},
    "in a member of another vendor": {"x_vendor": {"usage": FIVE}},
    "in Anthropic's message": {"message": {"usage": {"input_tokens": 9, "output_tokens": 5}}},
    "in Google's words": {
        "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 3, "thoughtsTokenCount": 2}
    },
    "as text": {"usage": {name: str(count) for name, count in FIVE.items()}},
    "as fractions": {"usage": {name: float(count) for name, count in FIVE.items()}},
    "beside a usage that is none": {"usage": [], "x_groq": {"usage": FIVE}},
}


@pytest.mark.parametrize("place", PLACES)
def test_usage_is_found_where_it_stands(place):
    document = {"choices": [CHOICE], **PLACES[place]}
    stream = stream_of(document)
    assert has_complete_usage(stream)
    assert stream.usage is not None
    assert (stream.usage.total_input_tokens, stream.usage.total_output_tokens) == (9, 5)
    found = answer(document)
    assert (found.usage.total_input_tokens, found.usage.total_output_tokens, found.produced) == (9, 5, "")
    broken = {**document, "choices": document["choices"] if "choice" in place else []}
    if "choice" not in place and "delta" not in place and "message" not in place:
        assert usage_in(json.dumps(broken).encode()) is not None


FORGED = {
    "in an argument": {"tool_calls": [{"function": {"name": "f", "arguments": {"usage": FIVE}}}]},
    "in a part of the content": {"content": [{"type": "text", "text": "a", "usage": FIVE}]},
    "in a text": {"content": json.dumps({"usage": FIVE})},
    "deep inside": {"reasoning": {"a": {"usage": FIVE}}},
}


@pytest.mark.parametrize("place", FORGED)
def test_what_a_model_writes_is_no_usage(place):
    document = {"choices": [{**CHOICE, "delta": FORGED[place], "message": FORGED[place]}]}
    assert stream_of(document).usage is None
    assert answer(document).usage is None


SPLIT: dict[str, list[dict[str, Any]]] = {
    "input first, output last": [
        {"prompt_tokens": 9, "completion_tokens": 0},
        {"prompt_tokens": 0, "completion_tokens": 5},
    ],
    "input first, output alone": [{"prompt_tokens": 9}, {"completion_tokens": 5}],
    "a token with the first one": [
        {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10},
        {"completion_tokens": 5},
    ],
    "zeros at the end": [FIVE, ZEROS],
    "nothing at the end": [FIVE, {}],
    "less at the end": [FIVE, {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}],
    "growing": [
        {**FIVE, "completion_tokens": 1, "total_tokens": 10},
        {**FIVE, "completion_tokens": 3, "total_tokens": 12},
        FIVE,
    ],
    "nonsense at the end": [FIVE, {"prompt_tokens": -1, "completion_tokens": -1}],
    "a total that was only estimated": [{**FIVE, "total_tokens": 100}, FIVE],
    "a reserve for all that may come": [
        {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 1_033},
        FIVE,
    ],
    "a total alone": [{"total_tokens": 1_000}, {**FIVE, "total_tokens": "14"}],
    "totals of one side each": [
        {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9},
        {"prompt_tokens": 0, "completion_tokens": 5, "total_tokens": 5},
    ],
    "as text at the end": [
        {"prompt_tokens": 9, "completion_tokens": 1},
        {"prompt_tokens": "9", "completion_tokens": "5"},
    ],
}


@pytest.mark.parametrize("kind", SPLIT)
def test_of_several_usages_the_largest_numbers_count(kind):
    stream = stream_of(
        {"choices": [CHOICE]}, *[{"choices": [], "usage": each} for each in SPLIT[kind]], "[DONE]"
    )
    assert stream.usage is not None
    assert (stream.usage.total_input_tokens, stream.usage.total_output_tokens) == (9, 5)
    assert has_complete_usage(stream)


@pytest.mark.parametrize(
    ("told", "output", "reasoning"),
    [
        ([{**FIVE, "total_tokens": 20}], 11, 6),  # xAI and Gemini leave their thoughts out of the sides
        ([{**FIVE, "completion_tokens": 1, "total_tokens": 12}, {**FIVE, "total_tokens": 20}], 11, 6),
        ([{**FIVE, "completion_tokens": 50, "total_tokens": 59}, FIVE], 50, 0),  # a count is not taken back
    ],
)
def test_tokens_only_in_the_last_total_count_as_reasoning(told, output, reasoning):
    usage = stream_of(
        {"choices": [CHOICE]}, *[{"choices": [], "usage": each} for each in told], "[DONE]"
    ).usage
    assert usage is not None
    assert (usage.total_output_tokens, usage.reasoning_tokens) == (output, reasoning)


def test_early_usage_with_zeros_at_the_end_is_not_all():
    """The output was reported before all of it was written: the rest is unknown."""
    early = {"choices": [{**CHOICE, "finish_reason": None}], "usage": {**FIVE, "completion_tokens": 1}}
    stream = stream_of(early, {"choices": [CHOICE]}, {"choices": [], "usage": ZEROS}, "[DONE]")
    assert not has_complete_usage(stream)


@pytest.mark.parametrize(
    "late", [{"choices": [], "usage": FIVE}, {"usage": FIVE}, {"x_groq": {"usage": FIVE}}]
)
def test_usage_after_the_end_is_read_and_not_passed_on(late):
    stream = OpenAIToOpenAI(Shape(alias="m", path="x", stream=True, include_usage=True)).stream()
    out = stream.feed(b"data: %b\n\ndata: [DONE]\n\n" % json.dumps({"choices": [CHOICE]}).encode())
    out += stream.feed(b"data: %b\n\n" % json.dumps(late).encode())
    assert has_complete_usage(stream)
    assert stream.usage == Usage(input_tokens=9, output_tokens=5)
    assert b"usage" not in out


CACHED: dict[str, dict[str, Any]] = {
    "OpenAI": {"prompt_tokens_details": {"cached_tokens": 4}},
    "DeepSeek": {"prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5},
    "Moonshot": {"cached_tokens": 4},
    "as text": {"cached_tokens": "4"},
    "bridges to Anthropic": {"cache_read_input_tokens": 4, "cache_creation_input_tokens": 0},
    "both, which agree": {"cached_tokens": 4, "prompt_tokens_details": {"cached_tokens": 4}},
    "details that say nothing": {"cached_tokens": 4, "prompt_tokens_details": None},
    "details of other things": {"cached_tokens": 4, "prompt_tokens_details": {"audio_tokens": 0}},
}


@pytest.mark.parametrize("vendor", CACHED)
def test_cached_tokens_are_billed_as_cached(vendor):
    usage = stream_of({"choices": [CHOICE], "usage": {**FIVE, **CACHED[vendor]}}).usage
    assert usage is not None
    assert (usage.input_tokens, usage.cached_input_tokens, usage.output_tokens) == (5, 4, 5)


def test_cache_writes_of_a_bridge_are_billed_as_cache_writes():
    said = {**FIVE, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2}
    usage = stream_of({"choices": [CHOICE], "usage": said}).usage
    assert (usage.input_tokens, usage.cached_input_tokens, usage.cache_write_tokens) == (4, 3, 2)


def test_anthropics_own_usage_has_its_cache_beside_the_input():
    said = {
        "input_tokens": 4,
        "cache_read_input_tokens": 30,
        "cache_creation_input_tokens": 2,
        "output_tokens": 5,
    }
    usage = stream_of({"choices": [CHOICE], "usage": said}).usage
    assert (usage.input_tokens, usage.cached_input_tokens, usage.cache_write_tokens) == (4, 30, 2)


def test_deeply_nested_usages_are_compared_as_far_as_they_are_read():
    details = b'{"a":' * 600 + b"1" + b"}" * 600
    told = [b'{"prompt_tokens":%d,"prompt_tokens_details":%b}' % (count, details) for count in (9, 8)]
    raw = b'{"choices":[{"message":{"content":"word"}}],"usage":%b,"x_a":{"usage":%b}}' % (*told,)
    usage = OpenAIToOpenAI(Shape(alias="m", path="chat/completions")).response(raw).usage
    assert usage is not None
    assert usage.total_input_tokens == 9


@pytest.mark.parametrize("hits", [99, "many", -1, [], {}, True])
def test_nonsense_beside_the_usage_gives_no_credit(hits):
    usage = stream_of({"choices": [CHOICE], "usage": {**FIVE, "cached_tokens": hits}}).usage
    assert usage is not None
    assert (usage.total_input_tokens, usage.total_output_tokens) == (9, 5)


@pytest.mark.parametrize(
    "zero", [ZEROS, {"prompt_tokens": 0, "completion_tokens": 5, "total_tokens": 5}, {"completion_tokens": 5}]
)
def test_no_input_for_a_prompt_is_no_usage(zero):
    for usage in (
        stream_of({"choices": [CHOICE], "usage": zero}).usage,
        answer({"choices": [CHOICE], "usage": zero}).usage,
    ):
        assert usage is None or usage.is_lacking


numbers = (
    st.none() | st.integers(-5, 10**9) | st.floats(allow_nan=False) | st.text(max_size=4) | st.booleans()
)
usages = st.dictionaries(
    st.sampled_from([*FIVE, "cached_tokens", "prompt_cache_hit_tokens", "input_tokens"]), numbers
)


@given(st.lists(usages, max_size=5))
def test_whatever_several_events_say_is_never_a_credit(several):
    usage = stream_of(
        {"choices": [CHOICE]}, *[{"choices": [], "usage": each} for each in several], "[DONE]"
    ).usage
    if usage is not None:
        assert min(usage.input_tokens, usage.cached_input_tokens, usage.output_tokens) >= 0
