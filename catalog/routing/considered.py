"""The deployments that a refused call could have used, and why it used none: stored with the refusal. Pure.

Used for calls that routing refused, as far as they are stored; a catalog may have thousands of rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from catalog.snapshot import Model, Snapshot

MOST: Final = 20  # deployments that are listed
LONGEST_WHY: Final = 200

DISABLED: Final = "it is disabled"
SHADOW: Final = "it is on trial: it gets copies of calls and never answers"
NONE: Final = "it has no deployment"


def considered(snapshot: Snapshot, alias: str, passed_over: Sequence[Any] = ()) -> list[dict[str, str]]:
    """Return the figures of a refusal: {"model", "deployment", "why"} for each deployment of the alias and of
    its fallbacks. `passed_over` (catalog/routing/route.py, Skipped) is what routing found at the moment of the call.
    """
    found = {(each.alias, each.deployment): each.why for each in passed_over}
    for each in _aliases(snapshot, alias):
        for deployment, why in _reasons_for(snapshot, each):
            found.setdefault((each, deployment), why)
    listed = [
        {"model": model, "deployment": deployment, "why": why[:LONGEST_WHY]}
        for (model, deployment), why in found.items()
    ]
    if len(listed) <= MOST:
        return listed
    return [
        *listed[:MOST],
        {"model": alias, "deployment": "", "why": f"and {len(listed) - MOST:,} more were passed over"},
    ]


def _aliases(snapshot: Snapshot, alias: str) -> Iterable[str]:
    model = snapshot.models.get(alias)
    fallbacks = model.fallbacks.values() if model is not None else ()
    return dict.fromkeys((alias, *(each for several in fallbacks for each in several)))


def _reasons_for(snapshot: Snapshot, alias: str) -> Iterator[tuple[str, str]]:
    """Yield what keeps the deployments of an alias from ever answering as they are configured."""
    for problem in snapshot.problems:
        if problem.alias == alias:
            yield problem.deployment, problem.reason
    model = snapshot.models.get(alias)
    if model is None:
        return
    yield from ((name, DISABLED) for name in model.disabled)
    yield from ((shadow.target.name, SHADOW) for shadow in model.shadows)
    if not _is_explained(model, snapshot):
        yield "", NONE


def _is_explained(model: Model, snapshot: Snapshot) -> bool:
    return bool(
        model.deployments
        or model.disabled
        or model.shadows
        or any(problem.alias == model.alias for problem in snapshot.problems)
    )
