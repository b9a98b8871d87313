"""What limits a prompt at a deployment, and what an operator must state where it is unknown. No query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from catalog.models import Deployment, ManagedBy, Model
from catalog.pricing.price_map import Known, lookup

NO_WINDOW = (
    "No context window is known: state it, or files, videos and unknown members are refused under a budget."
)
NO_MAXIMUM = (
    "No max_output_tokens is known: state it, or answers end at 4,096 tokens where a budget or limit binds."
)


def window_of(model: Model, row: Deployment, known: Known | None) -> int | None:
    """Return what limits a prompt at this deployment: its own figure, its alias's, or the map's.

    What an administrator wrote at the alias holds for all its deployments. In the file each row counts for itself:
    the window of one server implies nothing for another's.
    """
    is_of_all = model.edited or model.origin != ManagedBy.FILE
    stated = None if model.edited and not row.edited else row.capabilities.get("context_window")
    found = stated or (model.context_window if is_of_all else None)
    return found or (known.context_window if known is not None else None)


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
    if not model.max_output_tokens and (known is None or known.max_output_tokens is None):
        yield NO_MAXIMUM
