"""What `manage.py check` says of a configuration that loads: each with an id and a hint."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning

from catalog.config_prices import sheet_of
from catalog.price_map import lookup
from catalog.prices import lacking
from gateway.config.crosschecks import notes_of
from providers.media.pictures import GENERIC_MOST, is_known, name_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from gateway.config import Config
    from gateway.config.entries import ModelEntry


@register
def check_configuration(**_: Any) -> list[CheckMessage]:
    """Return the configuration's warnings, and an error where the data directory cannot be used."""
    return messages_of(settings.GATEWAY)


def messages_of(config: Config) -> list[CheckMessage]:
    found: list[CheckMessage] = [
        CheckWarning(note.what, hint=note.hint, id=f"gateway.{note.id}") for note in notes_of(config)
    ]
    found += [message for row in config.model_catalog for message in _of_row(row)]
    found += _of_aliases(config.model_catalog)
    if not _writable(config.data_dir):
        hint = "set ROUTER_DATA_DIR to a directory this user may write to"
        found.append(Error(f"data_dir {config.data_dir} cannot be written", hint=hint, id="gateway.E001"))
    return found


def _of_row(row: ModelEntry) -> Iterator[CheckMessage]:
    """Yield what keeps a row's calls from being bounded, so that a budget would refuse some or all of them."""
    if row.model_type != "llm" or row.free or row.problem or not row.enabled:
        return
    name = f"{row.alias}/{row.deployment}"
    known = lookup(row.provider, row.provider_model)
    sheet = sheet_of(row) or (known.sheet if known is not None else None)
    why = lacking(sheet, row.model_type) if sheet is not None else ""
    if why:
        yield CheckWarning(
            f"{name} has {why}", hint="state both, 0 where one costs nothing", id="gateway.W021"
        )
    if not row.context_window and (known is None or known.context_window is None):
        hint = (
            "state context_window: without it, files, videos and unknown members are refused under a budget"
        )
        yield CheckWarning(f"{name} has no known context window", hint=hint, id="gateway.W022")
    yield from _of_pictures(
        row, name, row.context_window or (known.context_window if known is not None else None)
    )


def _of_pictures(row: ModelEntry, name: str, window: int | None) -> Iterator[CheckMessage]:
    most = row.facts.image_max_tokens
    has_formula = row.provider in {"anthropic", "simulator"} or is_known(
        name_at(row.provider, row.provider_model)
    )
    if most is None and "image" in row.modalities and not has_formula:
        hint = f"state facts.image_max_tokens: until then {GENERIC_MOST:,}, the most of the usual families, bounds one"
        yield CheckWarning(
            f"{name} takes pictures, and nobody knows how many tokens one is", hint=hint, id="gateway.W023"
        )
    too_large = [
        fact for fact, tokens in row.facts if window is not None and tokens is not None and tokens > window
    ]
    for fact in too_large:
        hint = f"the context window is {window:,} tokens, and bounds it anyway"
        yield CheckWarning(f"{name} has a facts.{fact} beyond its window", hint=hint, id="gateway.W024")


def _of_aliases(rows: Iterable[ModelEntry]) -> Iterator[CheckMessage]:
    """Yield the aliases of which nobody knows how long an answer may be: one row's word is all rows' cap."""
    wanting: dict[str, bool] = {}
    for row in rows:
        if row.model_type == "llm" and not row.free and not row.problem and row.enabled:
            known = lookup(row.provider, row.provider_model)
            is_known = row.max_output_tokens or (known is not None and known.max_output_tokens)
            wanting[row.alias] = wanting.get(row.alias, True) and not is_known
    hint = "state max_output_tokens: without it, an answer has at most 4,096 where a budget or limit binds"
    for alias in [alias for alias, wants in wanting.items() if wants]:
        yield CheckWarning(f"{alias} has no known max_output_tokens", hint=hint, id="gateway.W025")


def _writable(directory: Path) -> bool:
    """Tell whether the directory, or the nearest one above that exists, may be written."""
    there = next((place for place in (directory, *directory.parents) if place.exists()), directory)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)
