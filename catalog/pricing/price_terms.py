"""What changes a price with the call: steps by the prompt's length, tiers, places, tools. Pure, integers only.

A step reprices the whole call, output too; what a step leaves out keeps its price. Tiers and places are factors on all
token parts; those that the response reports apply.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from catalog.pricing.prices import PriceSheet
    from providers.usage import Usage

ONE: Final = 1_000_000  # a factor of 1
# The parts of a call that a price sheet and a row of prices have a rate for, in the order in which they are shown.
TOKEN_PARTS: Final = (
    "input",
    "output",
    "cached_input",
    "cache_write",
    "cache_write_1h",
    "reasoning",
    "audio_input",
    "audio_output",
    "image_input",
    "image_output",
)
EACH: Final = ("image", "second", "character", "request")  # the others are tokens


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The rates of calls whose prompt has more tokens than this."""

    prompt_tokens: int
    input: int | None = None
    output: int | None = None
    cached_input: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    reasoning: int | None = None
    audio_input: int | None = None
    audio_output: int | None = None
    image_input: int | None = None
    image_output: int | None = None


class Factor(msgspec.Struct, frozen=True, array_like=True):
    name: str
    millionths: int


class ToolRate(msgspec.Struct, frozen=True, array_like=True):
    """Nano-USD for a million calls of a tool that the provider runs."""

    name: str
    rate: int


class Terms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    tool_calls: tuple[ToolRate, ...] = ()
    above: tuple[Step, ...] = ()
    tiers: tuple[Factor, ...] = ()
    geography: tuple[Factor, ...] = ()


NO_TERMS: Final = Terms()


def rates_for(sheet: PriceSheet, usage: Usage) -> PriceSheet:
    """Return the rates of a call with this usage, in the tier and place that its response reported."""
    terms = sheet.terms
    reached = [step for step in terms.above if usage.total_input_tokens > step.prompt_tokens]
    if reached:
        sheet = _stepped(sheet, [max(reached, key=lambda step: step.prompt_tokens)])
    factor = factor_of(terms.tiers, usage.service_tier) * factor_of(terms.geography, usage.place)
    return _times(sheet, factor)


def highest_rates(sheet: PriceSheet, prompt_tokens: int, tier: str) -> PriceSheet:
    """Return the highest rates that a call with a prompt of at most this length can have, wherever it is served."""
    terms = sheet.terms
    reached = [step for step in terms.above if prompt_tokens > step.prompt_tokens]
    factor = max(ONE, factor_of(terms.tiers, tier)) * max(
        [ONE, *(place.millionths for place in terms.geography)]
    )
    return _times(_stepped(sheet, [sheet, *reached]) if reached else sheet, factor)


def costs_tokens(sheet: PriceSheet) -> bool:
    """Return whether a token can cost anything, at any step."""
    steps = (sheet, *sheet.terms.above)
    return not sheet.free and any(getattr(step, name) for step in steps for name in TOKEN_PARTS)


def factor_of(factors: Iterable[Factor], name: str) -> int:
    return next((factor.millionths for factor in factors if factor.name == name), ONE)


def _stepped(sheet: PriceSheet, steps: Iterable[Step | PriceSheet]) -> PriceSheet:
    """Return the sheet with the highest of these steps' rates where they have one."""
    stated = {
        name: [rate for step in steps if (rate := getattr(step, name)) is not None] for name in TOKEN_PARTS
    }
    return msgspec.structs.replace(sheet, **{name: max(rates) for name, rates in stated.items() if rates})


def _times(sheet: PriceSheet, factor: int) -> PriceSheet:
    """Return the sheet with its token parts multiplied, rounded up; the factor is in millionths of millionths."""
    if factor == ONE * ONE:
        return sheet
    rates = {name: getattr(sheet, name) for name in TOKEN_PARTS}
    return msgspec.structs.replace(
        sheet, **{name: -(-rate * factor // ONE**2) for name, rate in rates.items() if rate is not None}
    )


def is_image_rate(image: Any) -> bool:
    """Return whether this is a price of one image as it is stored: rate, size, quality."""
    return (
        isinstance(image, list)
        and len(image) == 3  # noqa: PLR2004 - rate, size, quality
        and type(image[0]) is int
        and image[0] >= 0
        and all(isinstance(text, str) for text in image[1:])
    )
