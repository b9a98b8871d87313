"""Prices of the file become integers without losing anything."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.pricing.config_prices import sheet_of
from catalog.pricing.prices import ImageRate, PriceSheet
from gateway.config.sections.model_catalog import ModelEntry


def row(**keys: Any) -> ModelEntry:
    return ModelEntry.model_validate({"alias": "a", "provider": "openai", "provider_model": "m", **keys})


def test_prices_are_per_thousand_tokens_unless_the_row_says_otherwise() -> None:
    thousand = sheet_of(
        row(price_input=0.0025, price_output=0.01, pricing={"cached_input": 0.00125, "cache_write": 0})
    )
    million = sheet_of(
        row(
            price_input=2.5, price_output=10, pricing={"cached_input": 1.25, "cache_write": 0}, price_per="1M"
        )
    )
    assert (
        thousand
        == million
        == PriceSheet(input=2_500_000_000, output=10_000_000_000, cached_input=1_250_000_000, cache_write=0)
    )


def test_images_seconds_characters_and_requests_are_priced_each() -> None:
    pricing = {
        "image": 0.04,
        "second": 0.0001,
        "character": 0.000015,
        "request": 0.01,
        "images": [{"size": "1024x1024", "quality": "high", "price": 0.167}],
    }
    assert sheet_of(row(pricing=pricing)) == PriceSheet(
        image=40_000_000 * 10**6,
        second=100_000 * 10**6,
        character=15_000 * 10**6,
        request=10_000_000 * 10**6,
        images=(ImageRate(167_000_000 * 10**6, "1024x1024", "high"),),
    )


def test_a_row_without_a_price_has_no_sheet_and_zero_is_not_a_price() -> None:
    assert sheet_of(row()) is None
    assert sheet_of(row(price_input=0, price_output=0.0)) is None


def test_a_free_row_says_so() -> None:
    assert sheet_of(row(free=True)) == PriceSheet(free=True)


@pytest.mark.parametrize(
    ("cents", "image"), [("4", 40_000_000 * 10**6), ("x", None), ("-1", None), ("NaN", None)]
)
def test_the_flat_image_price_of_older_files_is_an_image_price(
    cents: str, image: int | None, fallbacks: Callable[[], dict[str, int]]
) -> None:
    sheet = sheet_of(row(price_input=1, metadata={"price_image_cents": cents}))
    assert sheet is not None
    assert sheet.image == image
    assert fallbacks() == ({} if image else {"flat_image_price": 1})


def test_the_dearest_price_fits_the_database() -> None:
    sheet = sheet_of(row(pricing={"image": 9000}))
    assert sheet is not None
    assert sheet.image is not None
    assert sheet.image < 2**63


@given(st.decimals(min_value=0, max_value=9000, places=9), st.sampled_from(["1k", "1m"]))
def test_a_rate_is_exact_and_never_below_the_price(price: Decimal, unit: str) -> None:
    sheet = sheet_of(row(price_input=str(price), price_per=unit))
    per_million = price * (1000 if unit == "1k" else 1)
    if sheet is None:
        assert price == 0
    else:
        assert sheet.input == per_million * 10**9
