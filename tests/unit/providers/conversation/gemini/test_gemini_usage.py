"""Gemini's counts become parts that do not overlap, and sum to Google's totals."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.conversation.gemini.usage import usage_of
from providers.usage import Usage


def details(**counts: int) -> list[dict[str, Any]]:
    return [{"modality": name, "tokenCount": count} for name, count in counts.items()]


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        (
            {"promptTokenCount": 29, "candidatesTokenCount": 10, "thoughtsTokenCount": 202},
            Usage(input_tokens=29, output_tokens=10, reasoning_tokens=202),
        ),
        (
            {"promptTokenCount": 5000, "cachedContentTokenCount": 4000, "candidatesTokenCount": 1},
            Usage(input_tokens=1000, cached_input_tokens=4000, output_tokens=1),
        ),
        (
            {"promptTokenCount": 10, "toolUsePromptTokenCount": 7, "candidatesTokenCount": 1},
            Usage(input_tokens=17, output_tokens=1),
        ),
        (
            {
                "promptTokenCount": 1000,
                "cachedContentTokenCount": 300,
                "promptTokensDetails": details(TEXT=100, IMAGE=258, AUDIO=642),
                "cacheTokensDetails": details(TEXT=42, IMAGE=258),
                "candidatesTokenCount": 1300,
                "candidatesTokensDetails": details(TEXT=10, IMAGE=1290),
                "trafficType": "ON_DEMAND_FLEX",
            },
            Usage(
                input_tokens=58,
                cached_input_tokens=300,
                audio_input_tokens=642,
                output_tokens=10,
                image_output_tokens=1290,
                service_tier="flex",
            ),
        ),
    ],
)
def test_parts_are_disjoint(reported: dict[str, Any], expected: Usage) -> None:
    assert usage_of(reported) == expected


def test_a_traffic_type_alone_is_no_usage() -> None:
    assert usage_of({"trafficType": "ON_DEMAND"}) is None
    assert usage_of(None) is None


COUNT = st.integers(0, 10_000)


@given(COUNT, COUNT, COUNT, COUNT, COUNT, st.dictionaries(st.sampled_from(["TEXT", "IMAGE", "AUDIO"]), COUNT))
def test_parts_sum_to_the_totals(
    prompt: int, cached: int, output: int, thoughts: int, tools: int, modalities: dict[str, int]
) -> None:
    found = usage_of(
        {
            "promptTokenCount": prompt,
            "cachedContentTokenCount": cached,
            "candidatesTokenCount": output,
            "thoughtsTokenCount": thoughts,
            "toolUsePromptTokenCount": tools,
            "promptTokensDetails": details(**modalities),
            "candidatesTokensDetails": details(**modalities),
        }
    )

    assert found is not None
    assert found.total_input_tokens == prompt + tools
    assert found.total_output_tokens == output + thoughts
    assert min(found.input_tokens, found.output_tokens, found.cached_input_tokens) >= 0
