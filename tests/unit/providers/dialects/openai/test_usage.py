"""Reading OpenAI's usage: disjoint parts that sum to the provider's totals, and no harm from nonsense."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.reported_usage.reading import MAX_TOKENS, UsageJson, usage_of
from providers.usage import Usage

counts = st.integers(0, 1_000_000)
nonsense = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.lists(st.integers(), max_size=2)
)


def read(document: dict[str, Any]) -> Usage | None:
    return usage_of(msgspec.json.decode(json.dumps(document).encode(), type=UsageJson))


def must_read(document: dict[str, Any]) -> Usage:
    usage = read(document)
    assert usage is not None
    return usage


@given(counts, counts, st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
def test_the_parts_sum_to_the_providers_totals(reads: int, writes: int, a: int, b: int, c: int):
    usage = must_read(
        {
            "prompt_tokens": reads,
            "completion_tokens": writes,
            "total_tokens": reads + writes,
            "prompt_tokens_details": {"cached_tokens": a, "audio_tokens": b, "cache_write_tokens": c},
            "completion_tokens_details": {"reasoning_tokens": a, "audio_tokens": b},
        }
    )

    assert usage.total_input_tokens == reads
    assert usage.total_output_tokens == writes
    assert usage.estimated is (a + b + c > reads or a + b > writes)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(
                ("prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "seconds"), nonsense
            ),
            "prompt_tokens_details": nonsense
            | st.dictionaries(st.sampled_from(["cached_tokens", "audio_tokens"]), nonsense),
            "completion_tokens_details": nonsense
            | st.dictionaries(st.sampled_from(["reasoning_tokens", "audio_tokens"]), nonsense),
        },
    )
)
def test_nonsense_is_never_a_credit_nor_a_fortune(document: dict[str, Any]):
    usage = read(document)

    if usage is not None:
        assert min(part for part in msgspec.structs.astuple(usage) if type(part) is int) >= 0
        assert usage.total_input_tokens <= MAX_TOKENS
        assert usage.total_output_tokens <= MAX_TOKENS


@pytest.mark.parametrize("bad", [-1, 2**53 + 1, 1e300, "many", "-5", "1e9", "٣", True, 1.5])
def test_an_impossible_count_is_found_again_from_the_total_and_marked(bad: object):
    usage = must_read({"prompt_tokens": 10, "completion_tokens": bad, "total_tokens": 15})

    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (10, 5, True)


@pytest.mark.parametrize("bad", [-1, 2**53 + 1, "many", "1.5", []])
def test_a_usage_that_cannot_be_repaired_is_no_usage(bad: object):
    assert read({"prompt_tokens": bad, "completion_tokens": 5}) is None
    assert read({"prompt_tokens": 5, "completion_tokens": bad}) is None


def test_details_larger_than_their_total_are_cut_and_marked():
    usage = must_read(
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 99},
            "completion_tokens_details": {"reasoning_tokens": 99},
        }
    )

    assert (usage.input_tokens, usage.cached_input_tokens) == (0, 10)
    assert (usage.output_tokens, usage.reasoning_tokens) == (0, 5)
    assert usage.estimated


def test_negative_details_give_no_credit():
    usage = must_read(
        {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": -5}, "completion_tokens": 1}
    )

    assert (usage.input_tokens, usage.cached_input_tokens, usage.estimated) == (10, 0, True)


def test_thinking_left_out_of_the_completion_is_still_billed():
    outside = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 100}

    xai = must_read(outside | {"completion_tokens_details": {"reasoning_tokens": 70}})
    gemini = must_read(outside)

    assert (xai.output_tokens, xai.reasoning_tokens, xai.estimated) == (10, 70, False)
    assert (gemini.output_tokens, gemini.reasoning_tokens, gemini.estimated) == (10, 70, True)


def test_an_impossible_prompt_count_is_found_again_from_the_total():
    usage = must_read({"prompt_tokens": -3, "completion_tokens": 5, "total_tokens": 15})

    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (10, 5, True)
    assert read({"prompt_tokens": -3, "completion_tokens": -5, "total_tokens": 15}) is None


def test_a_completion_count_alone_is_better_than_nothing():
    usage = must_read({"completion_tokens": 5})

    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (0, 5, True)


def test_a_missing_completion_count_is_derived_as_plain_output():
    usage = must_read({"prompt_tokens": 10, "total_tokens": 15})

    assert (usage.output_tokens, usage.reasoning_tokens, usage.estimated) == (5, 0, True)


def test_pictures_and_transcriptions_report_input_and_output_tokens():
    picture = must_read(
        {
            "total_tokens": 100,
            "input_tokens": 50,
            "output_tokens": 50,
            "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
        }
    )
    speech = must_read(
        {
            "type": "tokens",
            "input_tokens": 14,
            "input_token_details": {"text_tokens": 10, "audio_tokens": 4},
            "output_tokens": 101,
            "total_tokens": 115,
        }
    )

    assert (picture.input_tokens, picture.image_input_tokens) == (10, 40)
    assert (picture.output_tokens, picture.estimated) == (50, False)
    assert (speech.input_tokens, speech.audio_input_tokens, speech.output_tokens) == (10, 4, 101)


def test_a_transcription_billed_by_time_is_measured_up_to_the_next_millisecond():
    assert must_read({"type": "duration", "seconds": 12}).audio_ms == 12_000
    assert must_read({"type": "duration", "seconds": 0.0001}).audio_ms == 1


@pytest.mark.parametrize("empty", [{}, {"total_tokens": 5}, {"seconds": -3}, {"prompt_tokens": None}])
def test_an_object_that_says_nothing_is_no_usage(empty: dict[str, Any]):
    assert read(empty) is None


def test_whole_numbers_written_as_fractions_are_counts():
    usage = must_read({"prompt_tokens": 10.0, "completion_tokens": 5.0})

    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (10, 5, False)
