"""The vendored, dated facts of well-known models (catalog/data/model_facts.json). No network, ever.

Used for what neither the row nor its vendor's model page states. Read at the first look-up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec

from catalog.facts.names import publisher_of, spellings
from providers.model_facts import ModelFacts

PATH: Final = Path(__file__).parents[1] / "data" / "model_facts.json"
_NOTES: Final = frozenset({"of", "also", "platforms", "unconfirmed"})  # of a row beside the facts themselves
_FIRST_WORD: Final = re.compile(r"[a-z]+")
Facts = Mapping[str, Any]


class Known(msgspec.Struct, frozen=True):
    """One model: what holds everywhere, what differs on a platform, and which of it no vendor page confirms."""

    everywhere: dict[str, Any]
    platforms: dict[str, dict[str, Any]]
    unconfirmed: tuple[str, ...]


class FactsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. `of_the_weights`: at these providers any server may serve the model, so only these facts hold."""

    source: str
    as_of: str
    of_the_weights: dict[str, tuple[str, ...]]
    pages: dict[str, tuple[str, ...]]
    first_words: dict[str, str]  # of a model's name -> vendor
    families: dict[str, dict[str, Any]]
    models: dict[str, dict[str, Any]]


def lookup(provider: str, upstream_model: str) -> ModelFacts:
    """Return what is known of a model at a provider; of an unknown one no more than its vendor."""
    return as_facts(stated(provider, upstream_model))


@lru_cache(maxsize=4096)
def stated(provider: str, upstream_model: str) -> Facts:
    """Return only the facts that are known, by name. The caller does not change it."""
    if provider == "simulator":
        return {}
    names = spellings(upstream_model)
    models = known_models()
    found = next((models[name] for name in names if name in models), None)
    if found is None:
        vendor = publisher_of(upstream_model) or _vendor_by_word(names[-1])
        return {"vendor": vendor} if vendor else {}
    facts = {**found.everywhere, **found.platforms.get(provider, {})}
    kept = load().of_the_weights.get(provider)
    return facts if kept is None else {name: facts[name] for name in kept if name in facts}


def as_facts(facts: Facts) -> ModelFacts:
    """Convert facts by name. Raises msgspec.ValidationError."""
    return msgspec.convert(dict(facts), ModelFacts)


@cache
def load() -> FactsFile:
    """Return the file, read once."""
    return msgspec.json.decode(PATH.read_bytes(), type=FactsFile)


@cache
def known_models() -> dict[str, Known]:
    """Return every model of the file by each of its names, with the facts of its family."""
    found: dict[str, Known] = {}
    for name, row in load().models.items():
        known = _known(row)
        for each in (name, *row.get("also", ())):
            found[each] = known
    return found


def _known(row: dict[str, Any]) -> Known:
    family = load().families[row["of"]]
    own: dict[str, dict[str, Any]] = row.get("platforms", {})
    base: dict[str, dict[str, Any]] = family.get("platforms", {})
    platforms = {
        name: {**base.get(name, {}), **own.get(name, {})} for name in sorted(base.keys() | own.keys())
    }
    everywhere = {
        name: value for name, value in {"audio_in": False, **family, **row}.items() if name not in _NOTES
    }
    return Known(everywhere, platforms, tuple(row.get("unconfirmed", ())))


def _vendor_by_word(name: str) -> str:
    word = _FIRST_WORD.match(name)
    return load().first_words.get(word[0], "") if word else ""
