"""One model has many names: each of them leads to the same facts, and no other model's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.facts.names import MOST_CHARS, place_of, publisher_of, spellings, without_place


@pytest.mark.parametrize(
    ("name", "barest"),
    [
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("claude-opus-5-5@default", "claude-opus-5-5"),
        ("anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("us-gov.anthropic.claude-opus-5", "claude-opus-5"),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0", "nova-pro"),
        ("arn:aws:bedrock:eu-west-1:1234:inference-profile/eu.anthropic.claude-opus-5-5", "claude-opus-5-5"),
        ("publishers/google/models/gemini-3-pro-preview", "gemini-3-pro"),
        ("gemini-2.5-flash-preview-09-2025", "gemini-2.5-flash"),
        ("deepseek-ai/DeepSeek-V3.2:fastest", "deepseek-v3.2"),
        ("meta/llama-3.3-70b-instruct-maas", "llama-3.3-70b-instruct"),
        ("openai.gpt-oss-120b-1:0", "gpt-oss-120b"),
        ("gpt-4.1-mini-2025-04-14", "gpt-4.1-mini"),
        ("GPT-4o", "gpt-4o"),
    ],
)
def test_a_name_is_reduced_to_the_model(name: str, barest: str):
    assert spellings(name)[-1] == barest
    assert spellings(name)[0] == name.lower(), "the most exact name goes first"


@pytest.mark.parametrize("name", ["gpt-4.1", "o3", "us.model", "my.own", "llama3.3:70b", "a/b", ""])
def test_a_name_that_carries_nothing_else_stays_whole(name: str):
    assert spellings(name) == (name,)


def test_the_place_of_an_inference_profile_is_told_apart_from_the_model():
    name = "arn:aws:bedrock:eu-west-1:1234:inference-profile/eu.anthropic.claude-opus-5-5"
    assert place_of(name) == "eu"
    assert without_place(name) == "anthropic.claude-opus-5-5"
    assert place_of("anthropic.claude-opus-5-5") == place_of("us.model") == ""


@pytest.mark.parametrize(
    ("name", "vendor"),
    [
        ("us.anthropic.claude-of-tomorrow", "anthropic"),
        ("Qwen/Qwen9-1T", "qwen"),
        ("zai-org/GLM-9", "zai"),
        ("somebody/model", ""),
        ("model", ""),
    ],
)
def test_a_name_states_who_made_the_model(name: str, vendor: str):
    assert publisher_of(name) == vendor


@given(st.text(max_size=400))
def test_any_text_has_names(name: str):
    found = spellings(name)
    assert found[0] == name[:MOST_CHARS].lower()
    assert len(found) == len(set(found))
