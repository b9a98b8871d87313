"""The vendored price map: well-known ids are found, unknown ones are not guessed."""

from __future__ import annotations

import re

import pytest

from catalog.price_map import PATH, load, lookup
from catalog.prices import lacking


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o"),
        ("openai", "gpt-4o-2024-08-06"),
        ("openai", "GPT-4o"),
        ("azure", "gpt-4o"),
        ("openai", "gpt-4o-2031-12-31"),
    ],
)
def test_it_knows_a_model_by_its_id_and_by_its_dated_releases(provider: str, model: str):
    known = lookup(provider, model)

    assert known is not None
    assert known.sheet.input == 2_500_000_000
    assert known.sheet.output == 10_000_000_000
    assert known.sheet.cached_input == 1_250_000_000
    assert known.sheet.source == "map"
    assert (known.context_window, known.max_output_tokens) == (128_000, 16_384)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o-of-my-own"),
        ("openai-compatible", "gpt-4o"),
        ("simulator", "gpt-4o"),
        ("openai", ""),
    ],
)
def test_it_does_not_guess(provider: str, model: str):
    assert lookup(provider, model) is None


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("anthropic", "claude-sonnet-4-5-20250929"),
        ("bedrock", "anthropic.claude-3-5-sonnet-20241022-v2:0"),
        ("vertex", "gemini-2.5-pro"),
        ("openai", "whisper-1"),
        ("openai", "tts-1"),
        ("openai", "gpt-image-1"),
        ("openai", "text-embedding-3-small"),
        ("azure", "tts-1"),
    ],
)
def test_every_kind_of_well_known_model_is_priced(provider: str, model: str):
    known = lookup(provider, model)

    assert known is not None
    assert not lacking(known.sheet, known.model_type)


def test_nothing_in_the_map_costs_zero_and_every_row_can_price_its_type():
    for provider, rows in load().models.items():
        for name in rows:
            known = lookup(provider, name)
            assert known is not None
            assert not lacking(known.sheet, known.model_type), name
            assert 0 not in (known.sheet.input, known.sheet.output, known.sheet.request), name


def test_the_snapshot_says_what_it_is_and_is_small_and_read_once():
    load.cache_clear()
    snapshot = load()
    assert load() is snapshot
    assert PATH.stat().st_size < 500_000  # some milliseconds to read
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", snapshot.as_of)
    assert snapshot.source.startswith("litellm-")
