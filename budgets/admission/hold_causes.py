"""What makes the worst case of a call large, to explain why a budget refused it. Pure.

A hold is made of bounds (budgets/admission/worst_case.py): what a request leaves open, or only refers to, is bounded
by its maximum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from budgets.admission.demand import Demand

MOST_NAMES = 8


class Cause(msgspec.Struct, frozen=True, omit_defaults=True):
    """One cause. `what`: no_output_cap | choices | picture | reference | document | unknown_member | feature |
    service_tier | prediction | prompt_bytes. `names` are members of the request; `tokens` is the bound that was used,
    if known; for choices and pictures it is their number.
    """

    what: str
    tokens: int | None = None
    names: tuple[str, ...] = ()


def causes(
    demand: Demand, output_cap: int, context_window: int | None, *, is_measured: bool
) -> tuple[Cause, ...]:
    """Return the causes, the largest first. `is_measured`: the prompt was counted, or its PDFs were measured."""
    window = context_window
    found = [
        Cause("reference", window, demand.references[:MOST_NAMES]) if demand.references else None,
        Cause("document", window, demand.documents[:MOST_NAMES])
        if demand.documents and not is_measured
        else None,
        Cause("unknown_member", window, demand.unknown[:MOST_NAMES]) if demand.unknown else None,
        Cause("feature", window, demand.features[:MOST_NAMES]) if demand.features else None,
    ]
    unseen = sum([not (picture.width and picture.height) for picture in demand.pictures])
    found.append(Cause("picture", unseen) if unseen else None)
    if demand.kind == "chat":
        found.append(Cause("no_output_cap", output_cap) if demand.output_cap is None else None)
        found.append(Cause("choices", demand.n) if demand.n > 1 else None)
    found.append(Cause("prediction", demand.predicted_bytes) if demand.predicted_bytes else None)
    found.append(Cause("service_tier", names=(demand.tier,)) if demand.tier else None)
    if not is_measured and not demand.needs_window and demand.body_bytes:
        found.append(Cause("prompt_bytes", demand.body_bytes))
    return tuple([cause for cause in found if cause is not None])
