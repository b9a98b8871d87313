"""The vendored, dated snapshot of public prices and token limits of well-known models. No network, ever.

Used only when the catalog has no price of its own. Read from catalog/data/ at the first look-up.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from catalog.facts.names import place_of, resource_id, without_place
from catalog.pricing.price_terms import NO_TERMS, Factor, Step, Terms, ToolRate
from catalog.pricing.prices import PriceSheet

PATH: Final = Path(__file__).parents[1] / "data" / "price_map.json"
# What providers append to a model's name for one dated or numbered release of it.
_RELEASE: Final = re.compile(r"(?:[-@]\d{4}-\d{2}-\d{2}|[-@]\d{8}|@latest|@default|-latest|-v\d+(?::\d+)?)$")
# A provider that serves another's models under the same names at the same list prices.
_SAME_AS: Final = {"azure": "openai"}
_NO_PLACES: Final = ("", "us-gov")  # a partition of its own, with prices of its own


class Row(msgspec.Struct, frozen=True):
    """A model's facts; the rates have the names and the unit of PriceSheet, factors are in millionths."""

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
    image: int | None = None
    second: int | None = None
    character: int | None = None
    request: int | None = None
    above: tuple[Step, ...] = ()
    tiers: dict[str, int] = {}
    geography: dict[str, int] = {}
    tool_calls: dict[str, int] = {}
    context_window: int | None = None
    max_output_tokens: int | None = None
    model_type: str = "llm"


class PriceMap(msgspec.Struct, frozen=True):
    """The whole file: provider -> model id in lower case -> facts."""

    source: str
    as_of: str
    models: dict[str, dict[str, Row]]


class Known(msgspec.Struct, frozen=True):
    """The map's facts of one model. The sheet's source is "map"; limits None are unknown."""

    sheet: PriceSheet
    context_window: int | None
    max_output_tokens: int | None
    model_type: str


def lookup(provider: str, upstream_model: str) -> Known | None:
    """Return the public facts of a model, or None: by its exact id, else by the id without the release.

    Where the id names a place without a price of its own, or the only prices are those of places, the dearest counts.
    """
    ids = dict.fromkeys((upstream_model.lower(), resource_id(upstream_model)))
    for owner in (provider, _SAME_AS.get(provider, "")):
        rows = load().models.get(owner)
        if rows is None:
            continue
        for name in ids:
            row = rows.get(name) or rows.get(_RELEASE.sub("", name))
            if row is not None:
                return _known(row)
        places, name = _by_model(owner), without_place(upstream_model)
        dearest = places.get(name) or places.get(_RELEASE.sub("", name))
        if dearest is not None:
            return _known(dearest)
    return None


@cache
def _by_model(provider: str) -> dict[str, Row]:
    """Return of each model that is priced by place its dearest row."""
    found: dict[str, Row] = {}
    for name, row in load().models[provider].items():
        model = without_place(name)
        if place_of(name) not in _NO_PLACES and (
            model not in found or _dearness(row) > _dearness(found[model])
        ):
            found[model] = row
    return found


def _dearness(row: Row) -> int:
    return (row.input or 0) + (row.output or 0)


@cache
def load() -> PriceMap:
    """Return the map, read once."""
    return msgspec.json.decode(PATH.read_bytes(), type=PriceMap)


def _known(row: Row) -> Known:
    sheet = PriceSheet(
        source="map",
        input=row.input,
        output=row.output,
        cached_input=row.cached_input,
        cache_write=row.cache_write,
        cache_write_1h=row.cache_write_1h,
        reasoning=row.reasoning,
        audio_input=row.audio_input,
        audio_output=row.audio_output,
        image_input=row.image_input,
        image_output=row.image_output,
        image=row.image,
        second=row.second,
        character=row.character,
        request=row.request,
        terms=_terms(row),
    )
    return Known(sheet, row.context_window, row.max_output_tokens, row.model_type)


def _terms(row: Row) -> Terms:
    if not (row.above or row.tiers or row.geography or row.tool_calls):
        return NO_TERMS
    tiers = tuple([Factor(name, factor) for name, factor in row.tiers.items()])
    places = tuple([Factor(name, factor) for name, factor in row.geography.items()])
    tools = tuple([ToolRate(name, rate) for name, rate in row.tool_calls.items()])
    return Terms(tool_calls=tools, above=row.above, tiers=tiers, geography=places)
