"""The vendored price map: well-known ids are found, unknown ones are not guessed."""

from __future__ import annotations

import re

import pytest

from budgets.admission.demand import Demand
from budgets.admission.unbounded_requests import check_bounded
from budgets.admission.worst_case import worst_case
from catalog.pricing.price_map import PATH, load, lookup
from catalog.pricing.prices import cost, missing_price, receipt
from providers.usage import ToolCount, Usage


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
def test_price_map_knows_a_model_by_its_id_and_by_its_dated_releases(provider: str, model: str):
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
def test_price_map_does_not_guess(provider: str, model: str):
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
    assert not missing_price(known.sheet, known.model_type)


def test_nothing_in_the_map_costs_zero_and_every_row_can_price_its_type():
    for provider, rows in load().models.items():
        for name in rows:
            known = lookup(provider, name)
            assert known is not None
            assert not missing_price(known.sheet, known.model_type), name
            assert 0 not in (known.sheet.input, known.sheet.output, known.sheet.request), name


def test_the_snapshot_says_what_it_is_and_is_small_and_read_once():
    load.cache_clear()
    snapshot = load()
    assert load() is snapshot
    assert PATH.stat().st_size < 500_000  # some milliseconds to read
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", snapshot.as_of)
    assert snapshot.source.startswith("litellm-")


def bill(provider: str, model: str, **used: int | str | tuple[ToolCount, ...]) -> int:
    known = lookup(provider, model)
    assert known is not None
    usage = Usage(**used)  # type: ignore[arg-type]
    assert receipt(usage, known.sheet).total_nanousd == cost(usage, known.sheet)
    return cost(usage, known.sheet)


@pytest.mark.parametrize(
    ("provider", "model", "step", "dearer"),
    [
        ("openai", "gpt-5.5", 272_000, 2.0),
        ("vertex", "gemini-2.5-pro", 200_000, 2.0),
        ("azure", "gpt-5.5", 272_000, 2.0),
        ("bedrock", "anthropic.claude-sonnet-4-20250514-v1:0", 200_000, 2.0),
    ],
)
def test_a_long_prompt_is_held_and_billed_at_its_step(provider: str, model: str, step: int, dearer: float):
    """Kind of M7: what the provider charges more for, and the gateway did not."""
    at, beyond = (bill(provider, model, input_tokens=tokens) for tokens in (step, step + 1))
    assert beyond == pytest.approx(at * dearer, rel=1e-4)
    known = lookup(provider, model)
    assert known is not None
    held = worst_case(Demand(body_bytes=step + 1_000, output_cap=1_000), (known.sheet,), None, 2_000_000)
    assert held.nanousd >= bill(provider, model, input_tokens=step + 1_000, output_tokens=1_000)


@pytest.mark.parametrize(
    ("provider", "model", "factor"),
    [
        ("anthropic", "claude-sonnet-4-5", 2.0),
        ("anthropic", "claude-opus-4-6", 2.0),
        ("bedrock", "anthropic.claude-haiku-4-5-20251001-v1:0", 2.0),
        ("vertex", "claude-opus-4-6", 2.0),
    ],
)
def test_a_cache_write_that_is_kept_for_an_hour_has_its_own_price(provider: str, model: str, factor: float):
    known = lookup(provider, model)
    assert known is not None
    read = bill(provider, model, input_tokens=1_000)
    assert bill(provider, model, cache_write_1h_tokens=1_000) == factor * read
    assert bill(provider, model, cache_write_tokens=1_000) == 1.25 * read
    held = worst_case(Demand(body_bytes=5_000, output_cap=1), (known.sheet,), None, 200_000)
    assert held.nanousd >= bill(provider, model, cache_write_1h_tokens=5_000, output_tokens=1)


@pytest.mark.parametrize(
    ("provider", "model", "tier", "factor"),
    [
        ("openai", "gpt-4.1", "priority", 1.75),
        ("openai", "gpt-5", "priority", 2.0),
        ("openai", "gpt-5", "flex", 0.5),
        ("openai", "gpt-5.5", "priority", 2.5),
        ("vertex", "gemini-2.5-pro", "priority", 1.8),
    ],
)
def test_a_tier_is_held_and_billed_at_its_price(provider: str, model: str, tier: str, factor: float):
    known = lookup(provider, model)
    assert known is not None
    usual = bill(provider, model, input_tokens=1_000, output_tokens=100)
    assert bill(provider, model, input_tokens=1_000, output_tokens=100, service_tier=tier) == factor * usual
    asked = Demand(body_bytes=5_000, output_cap=100, tier=tier)
    check_bounded(asked, (known.sheet,), 200_000)
    held = worst_case(asked, (known.sheet,), None, 200_000)
    assert held.nanousd >= bill(provider, model, input_tokens=5_000, output_tokens=100, service_tier=tier)


@pytest.mark.parametrize("model", ["claude-opus-4-6", "claude-opus-4-7", "claude-sonnet-4-6"])
def test_the_place_of_an_answer_is_billed_and_held(model: str):
    usual = bill("anthropic", model, input_tokens=1_000, output_tokens=100)
    assert bill("anthropic", model, input_tokens=1_000, output_tokens=100, place="us") == pytest.approx(
        1.1 * usual
    )


def test_a_step_never_makes_a_longer_prompt_cheaper():
    for provider, rows in load().models.items():
        for name, row in rows.items():
            for step in row.above:
                for part in ("input", "output", "cached_input", "cache_write", "cache_write_1h"):
                    base, dearer = getattr(row, part), getattr(step, part)
                    assert dearer is None or (base is not None and dearer >= base), (provider, name, part)


def test_a_place_without_a_price_of_its_own_has_the_dearest_of_its_model():
    known, dearest = (
        lookup("bedrock", "sa.anthropic.claude-opus-5-5"),
        lookup("bedrock", "us.anthropic.claude-opus-5-5"),
    )
    base = lookup("bedrock", "anthropic.claude-opus-5-5")
    assert known is not None
    assert dearest is not None
    assert base is not None
    assert known.sheet == dearest.sheet
    assert (known.sheet.input, base.sheet.input) == (4_400_000_000, 4_000_000_000)


@pytest.mark.parametrize(
    ("name", "same_as"),
    [
        (
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-opus-5-5",
            "us.anthropic.claude-opus-5-5",
        ),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"),
        ("openai.gpt-6-astra", "us.openai.gpt-6-astra"),
    ],
)
def test_the_price_of_an_arn_is_that_of_its_id(name: str, same_as: str):
    assert lookup("bedrock", name) == lookup("bedrock", same_as) is not None
    assert lookup("bedrock", "arn:aws:bedrock:us-east-1:1:application-inference-profile/a1b2") is None


def test_every_exact_price_is_the_one_of_the_file():
    for provider, rows in load().models.items():
        for name, row in rows.items():
            known = lookup(provider, name)
            assert known is not None
            assert (known.sheet.input, known.sheet.output) == (row.input, row.output), (provider, name)


def test_a_search_has_a_price_only_where_a_response_counts_it():
    priced = {
        (provider, name)
        for provider, rows in load().models.items()
        for name, row in rows.items()
        if row.tool_calls
    }
    assert {provider for provider, _ in priced} == {"openai", "azure", "anthropic"}
    assert not any("search" in name for _, name in priced)
    searched = bill(
        "anthropic", "claude-opus-5-5", input_tokens=1_000, tool_calls=(ToolCount("web_search", 3),)
    )
    assert searched - bill("anthropic", "claude-opus-5-5", input_tokens=1_000) == 30_000_000


@pytest.mark.parametrize(
    ("provider", "model", "parts"),
    [
        ("openai", "gpt-6-astra", ("cached_input", "cache_write", "cache_write_1h")),
        ("openai", "gpt-6.1-sol", ("cached_input", "cache_write", "cache_write_1h")),
        ("openai", "gpt-5.6", ("cached_input", "cache_write", "cache_write_1h")),
        ("openai", "gpt-4.1", ("cached_input",)),
        ("openai", "gpt-audio", ("audio_input", "audio_output")),
        ("anthropic", "claude-sonnet-5-5", ("cached_input", "cache_write", "cache_write_1h")),
        ("anthropic", "claude-haiku-5-5", ("cached_input", "cache_write", "cache_write_1h")),
        ("bedrock", "eu.anthropic.claude-opus-5-5", ("cached_input", "cache_write", "cache_write_1h")),
        ("vertex", "claude-sonnet-4-5@20250929", ("cached_input", "cache_write", "cache_write_1h")),
        ("azure", "gpt-6-astra", ("cached_input", "cache_write")),
        ("vertex", "gemini-2.5-flash", ("cached_input", "reasoning", "audio_input")),
        ("vertex", "gemini-3.8-flash", ("cached_input", "reasoning")),
        ("bedrock", "us.amazon.nova-pro-v1:0", ("cached_input",)),
        ("bedrock", "us.meta.llama3-3-70b-instruct-v1:0", ()),
        ("bedrock", "openai.gpt-oss-120b-1:0", ()),
        ("bedrock", "amazon.titan-embed-text-v2:0", ()),
    ],
)
def test_well_known_models_have_the_prices_of_their_parts(provider: str, model: str, parts: tuple[str, ...]):
    known = lookup(provider, model)
    assert known is not None
    assert not missing_price(known.sheet, known.model_type)
    assert [part for part in parts if not getattr(known.sheet, part)] == []
