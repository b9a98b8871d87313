"""The prices of a row of the configuration file, as a price sheet. Pure and exact: decimals in, integers out."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from catalog.pricing.price_terms import EACH, NO_TERMS, ONE, TOKEN_PARTS, Factor, Step, Terms, ToolRate
from catalog.pricing.prices import PER, ImageRate, PriceSheet
from gateway.values.fallback_log import FALLBACKS
from gateway.values.money import NANO

if TYPE_CHECKING:
    from gateway.config.sections.model_catalog import ModelEntry

FLAT_IMAGE_CENTS: Final = "price_image_cents"  # metadata of older files: cents an image


def sheet_of(entry: ModelEntry) -> PriceSheet | None:
    """Return the sheet; None where the row states no price above 0 and is not declared `free`."""
    if entry.free:
        return PriceSheet(free=True)
    beside = TOKEN_PARTS[2:]  # input and output are stated above `pricing`
    rates = {name: _rate(getattr(entry.pricing, name), entry.token_unit) for name in beside}
    rates |= {name: _rate(getattr(entry.pricing, name), Decimal(1)) for name in EACH}
    rates["input"] = _rate(entry.price_input, entry.token_unit)
    rates["output"] = _rate(entry.price_output, entry.token_unit)
    if rates["image"] is None:
        rates["image"] = _rate(_flat_image_price(entry), Decimal(1))
    images = tuple(
        ImageRate(_rate_of(row.price, Decimal(1)), row.size, row.quality) for row in entry.pricing.images
    )
    if not any(rates.values()) and not any(image.rate for image in images):
        return None
    terms = _terms(entry)
    return replace(PriceSheet(images=images, terms=NO_TERMS if terms == NO_TERMS else terms), **rates)


def _terms(entry: ModelEntry) -> Terms:
    pricing, unit = entry.pricing, entry.token_unit
    return Terms(
        tool_calls=tuple(
            ToolRate(name, _rate_of(price, Decimal(1))) for name, price in pricing.tool_calls.items()
        ),
        above=tuple(
            Step(
                prompt_tokens=step.prompt_tokens,
                **{name: _rate(getattr(step, name), unit) for name in TOKEN_PARTS},
            )
            for step in pricing.above
        ),
        tiers=_factors(pricing.tiers),
        geography=_factors(pricing.geography),
    )


def _factors(factors: Mapping[str, Decimal]) -> tuple[Factor, ...]:
    return tuple(
        Factor(name, int((factor * ONE).to_integral_value(ROUND_CEILING))) for name, factor in factors.items()
    )


def _rate(price: Decimal | None, unit: Decimal) -> int | None:
    return None if price is None else _rate_of(price, unit)


def _rate_of(price: Decimal, unit: Decimal) -> int:
    """Convert `price` USD per `unit` to nano-USD per million units; a finer price is rounded up."""
    return int((price * NANO * PER / unit).to_integral_value(ROUND_CEILING))


def _flat_image_price(entry: ModelEntry) -> Decimal | None:
    stated = entry.metadata.get(FLAT_IMAGE_CENTS)
    if stated is None:
        return None
    try:
        price = Decimal(stated) / 100
    except InvalidOperation:
        price = Decimal("NaN")
    if not price.is_finite() or price < 0:
        FALLBACKS.note(
            "flat_image_price", f"{entry.alias}: '{FLAT_IMAGE_CENTS}' is no amount; pictures have no price"
        )
        return None
    return price
