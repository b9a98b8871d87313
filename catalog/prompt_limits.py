"""What limits a prompt at a deployment, and what an operator must state where it is unknown. No query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from catalog.facts.of_rows import RowFacts, known_facts
from catalog.models import Deployment, ManagedBy, Model
from catalog.pricing.price_map import Known, lookup

NO_WINDOW = (
    "No context window is known: state it, or files, videos and unknown members are refused under a budget."
)
NO_MAXIMUM = (
    "No max_output_tokens is known: state it, or answers end at 4,096 tokens where a budget or limit binds."
)


def row_facts(model: Model, row: Deployment, known: Known | None) -> RowFacts:
    """Return what the row, its alias and the price map state of its model."""
    return RowFacts(
        provider=row.provider,
        upstream_model=row.upstream_model,
        written=row.facts,
        found=row.found_facts,
        publisher=str(row.metadata.get("publisher") or ""),
        modalities=tuple(row.capabilities.get("modalities") or model.modalities),
        context_window=_stated_window(model, row),
        max_output_tokens=model.max_output_tokens,
        listed_window=known.context_window if known is not None else None,
        listed_output=known.max_output_tokens if known is not None else None,
    )


def window_of(model: Model, row: Deployment, known: Known | None) -> int | None:
    """Return what limits a prompt at this deployment: its own figure, its alias's, or what is known of its model."""
    return known_facts(row_facts(model, row, known)).get("context_window")


def _stated_window(model: Model, row: Deployment) -> int | None:
    """Return the row's own figure, else its alias's.

    What an administrator wrote at the alias holds for all its deployments. In the file each row counts for itself:
    the window of one server implies nothing for another's.
    """
    is_of_all = model.edited or model.origin != ManagedBy.FILE
    stated: int | None = None if model.edited and not row.edited else row.capabilities.get("context_window")
    return stated or (model.context_window if is_of_all else None)


def widest(windows: Sequence[int | None]) -> int | None:
    """Return what limits a prompt wherever it is sent; None where one of the windows is unknown."""
    known = [window for window in windows if window is not None]
    return max(known) if known and len(known) == len(windows) else None


def missing_figures(model: Model, row: Deployment) -> Iterator[str]:
    """Yield in words which figures are not stated; calls that cost something need them."""
    if model.model_type != "llm":
        return
    known = lookup(row.provider, row.upstream_model)
    if window_of(model, row, known) is None:
        yield NO_WINDOW
    if not known_facts(row_facts(model, row, known)).get("max_output_tokens"):
        yield NO_MAXIMUM
