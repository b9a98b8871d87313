"""The facts of one deployment: what its row states, then what its vendor's model page said, then the defaults. Pure.

A row's facts have the names of ModelFacts, and `pdf_page_max_tokens`, which only bounds money.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

import msgspec

from catalog.facts.defaults import as_facts, stated
from providers.model_facts import ModelFacts, Sampling, SchemaSupport, ThinkingRule

PAGE: Final = "pdf_page_max_tokens"
NAMES: Final = (*(field.name for field in msgspec.structs.fields(ModelFacts)), PAGE)
_COUNTS: Final = (
    "max_output_tokens",
    "context_window",
    "max_batch",
    "image_max_tokens",
    "max_tokens_per_second",
    PAGE,
)
_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "sampling": get_args(Sampling),
    "thinking": get_args(ThinkingRule),
    "json_schema": get_args(SchemaSupport),
}
_BY_MODALITY: Final = {"vision": "image", "audio_in": "audio"}  # facts, and the modality that they permit
MODALITIES: Final = ("text", "image", "audio")


class RowFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a row and its alias state. `written`: its own facts; `found`: those that its vendor's model page stated."""

    provider: str
    upstream_model: str
    written: Mapping[str, Any] = {}
    found: Mapping[str, Any] = {}
    publisher: str = ""
    modalities: tuple[str, ...] = ()
    context_window: int | None = None
    max_output_tokens: int | None = None
    listed_window: int | None = None  # of the price map
    listed_output: int | None = None


def known_facts(row: RowFacts) -> dict[str, Any]:
    """Return every fact that is known of a deployment, by name; what the catalog states goes first."""
    defaults = stated(row.provider, row.upstream_model)
    listed = {"context_window": row.listed_window, "max_output_tokens": row.listed_output}
    of_row = {"vendor": row.publisher or None, "context_window": row.context_window}
    by_modality = {
        fact: modality in row.modalities for fact, modality in _BY_MODALITY.items() if row.modalities
    }
    return {
        **defaults,
        **_given(listed),
        **row.found,
        **_given({"max_output_tokens": row.max_output_tokens}),  # of the alias: the widest of its rows
        **{name: value for name, value in row.written.items() if name != PAGE},
        **_given(of_row),
        **by_modality,
    }


def facts_of_row(row: RowFacts) -> ModelFacts:
    """Return the facts of a deployment."""
    return as_facts(known_facts(row))


def permitted_modalities(known: Mapping[str, Any]) -> frozenset[str] | None:
    """Return what a model may be sent where its row states no modalities; None: nothing is known to be wrong."""
    refused = {modality for fact, modality in _BY_MODALITY.items() if known.get(fact) is False}
    return frozenset(MODALITIES) - refused if refused else None


def wrong_facts(facts: object) -> str:
    """Return what is wrong with a row's facts, for its author; "" when nothing is."""
    if not isinstance(facts, dict):
        return 'Facts by name, such as {"thinking": "adaptive"}.'
    unknown = sorted(str(name) for name in facts if name not in NAMES)
    if unknown:
        return f"Not known: {', '.join(unknown)}. There are {', '.join(NAMES)}."
    bad = next((name for name in _COUNTS if name in facts and not _is_count(facts[name])), "")
    if bad:
        return f"{bad} is a whole number above 0."
    for name, choices in _CHOICES.items():
        if name in facts and facts[name] not in choices:
            return f"{name} is one of {', '.join(choices)}."
    try:
        as_facts({name: value for name, value in facts.items() if name != PAGE})
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$.")
        return f"{place.rstrip('`').partition('[')[0]}: {text}."
    return ""


def _given(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None}


def _is_count(value: object) -> bool:
    return type(value) is int and value > 0
