"""The checks of `manage.py check` for a configuration that loads, each with an id and a hint."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning

from catalog import row_problems
from catalog.facts.of_rows import RowFacts, known_facts
from catalog.pricing.config_prices import sheet_of
from catalog.pricing.price_map import lookup
from catalog.pricing.prices import PriceSheet
from gateway.config.warnings import notes_of
from gateway.values.money import NANO
from providers.media.images import GENERIC_MOST, is_known, name_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from gateway.config import Config
    from gateway.config.sections.model_catalog import ModelEntry

SLIP = 100  # this many times the published price, or that part of it, is no discount but the other unit
# Nano-USD per 1M tokens: of the 758 models in the price map (catalog/data/price_map.json) three cost more.
DEAREST = {"input": 60 * NANO, "output": 180 * NANO}
_REMEDIES = {
    "no price": "state price_input and price_output in USD per 1K tokens (price_per: 1m: per million), or free: true",
    "incomplete price": "state both, 0 where one costs nothing",
    "no API key": "state api_key, or the provider's key under providers.*",
    "no endpoint for models": "take the row out until there is one",
    "no endpoint": "state endpoint, such as https://api.example.com/v1",
    "no project": "state metadata.gcp_project_id, or providers.gcp_project_id, or an api_key",
    "google-auth": "install it with the packages of production: make setup",
    "no region": "state region, such as us-east-1, or providers.aws_region",
    "supported": "take the row out, or reach its API through openai-compatible if it has one",
}


@register
def check_configuration(**_: Any) -> list[CheckMessage]:
    """Return the configuration's warnings, and an error if the data directory cannot be used."""
    return messages_of(settings.GATEWAY)


def messages_of(config: Config) -> list[CheckMessage]:
    found: list[CheckMessage] = [
        CheckWarning(note.what, hint=note.hint, id=f"gateway.{note.id}") for note in notes_of(config)
    ]
    found += [message for row in config.model_catalog for message in _of_row(row, config)]
    found += _of_aliases(config.model_catalog)
    if not _writable(config.data_dir):
        hint = "set ROUTER_DATA_DIR to a directory this user may write to"
        found.append(Error(f"data_dir {config.data_dir} cannot be written", hint=hint, id="gateway.E001"))
    return found


def _of_row(row: ModelEntry, config: Config) -> Iterator[CheckMessage]:
    """Yield what prevents a row from serving, or a bound of its calls: a budget would refuse some of those."""
    if row.problem or not row.enabled:
        return
    name = f"{row.alias}/{row.deployment}"
    if why := row_problems.of_entry(row, config.providers):
        number = "W021" if "incomplete price" in why else "W026"
        yield CheckWarning(f"{name} cannot serve: {why}", hint=_remedy(why), id=f"gateway.{number}")
    yield from _of_prices(row, name)
    if row.model_type != "llm" or row.free:
        return
    window = _known_of(row).get("context_window")
    if not window:
        hint = (
            "state context_window: without it, files, videos and unknown members are refused under a budget"
        )
        yield CheckWarning(f"{name} has no known context window", hint=hint, id="gateway.W022")
    yield from _of_pictures(row, name, window)


def _known_of(row: ModelEntry) -> dict[str, Any]:
    """Return the facts that are known of a row's model before its vendor was asked."""
    known = lookup(row.provider, row.provider_model)
    return known_facts(
        RowFacts(
            provider=row.provider,
            upstream_model=row.provider_model,
            written=row.facts.model_dump(mode="json", exclude_none=True),
            context_window=row.context_window,
            max_output_tokens=row.max_output_tokens,
            listed_window=known.context_window if known is not None else None,
            listed_output=known.max_output_tokens if known is not None else None,
        )
    )


def _remedy(why: str) -> str:
    """Return what to do about an obstacle."""
    for word, remedy in _REMEDIES.items():
        if word in why:
            return remedy
    return "correct the row, or say enabled: false"


def _of_prices(row: ModelEntry, name: str) -> Iterator[CheckMessage]:
    """Yield a price that was written in the wrong unit: USD per 1K tokens for per 1M, or the reverse."""
    sheet, known = sheet_of(row) or PriceSheet(), lookup(row.provider, row.provider_model)
    public = known.sheet if known is not None else PriceSheet()
    sides = (("input", sheet.input, public.input), ("output", sheet.output, public.output))
    for side, stated, usual in sides:
        if stated and stated > (SLIP * usual if usual else DEAREST[side]):
            hint = "state price_per: 1m if it is meant per million; without it prices are USD per 1K tokens"
        elif stated and usual and SLIP * stated < usual:
            hint = "leave price_per: 1m out if it is meant per 1K tokens"
        else:
            continue
        published = (
            f", the published price {usual / NANO:g}" if usual else ", more than nearly any published model"
        )
        what = f"{name}: price_{side} comes to {stated / NANO:g} USD per 1M tokens{published}"
        yield CheckWarning(what, hint=hint, id="gateway.W027")


def _of_pictures(row: ModelEntry, name: str, window: int | None) -> Iterator[CheckMessage]:
    most = row.facts.image_max_tokens
    has_formula = row.provider in {"anthropic", "simulator"} or is_known(
        name_at(row.provider, row.provider_model)
    )
    takes_pictures = row.modalities is None or "image" in row.modalities
    if most is None and takes_pictures and not has_formula:
        hint = (
            f"state facts.image_max_tokens: until then {GENERIC_MOST:,}, the most of the usual families, bounds one; "
            "or modalities: [text] where it takes none"
        )
        yield CheckWarning(
            f"{name} takes pictures, and the tokens of one are not known", hint=hint, id="gateway.W023"
        )
    bounds = {"image_max_tokens": most, "pdf_page_max_tokens": row.facts.pdf_page_max_tokens}
    too_large = [fact for fact, tokens in bounds.items() if window and tokens and tokens > window]
    for fact in too_large:
        hint = f"the context window is {window:,} tokens, and bounds it anyway"
        yield CheckWarning(f"{name} has a facts.{fact} beyond its window", hint=hint, id="gateway.W024")


def _of_aliases(rows: Iterable[ModelEntry]) -> Iterator[CheckMessage]:
    """Yield the aliases without a known maximum output: one row's value is the cap of all rows."""
    wanting: dict[str, bool] = {}
    for row in rows:
        if row.model_type == "llm" and not row.free and not row.problem and row.enabled:
            is_known = bool(_known_of(row).get("max_output_tokens"))
            wanting[row.alias] = wanting.get(row.alias, True) and not is_known
    hint = "state max_output_tokens: without it, an answer has at most 4,096 where a budget or limit binds"
    for alias in [alias for alias, wants in wanting.items() if wants]:
        yield CheckWarning(f"{alias} has no known max_output_tokens", hint=hint, id="gateway.W025")


def _writable(directory: Path) -> bool:
    """Return whether the directory, or the nearest one above that exists, may be written."""
    there = next((place for place in (directory, *directory.parents) if place.exists()), directory)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)
