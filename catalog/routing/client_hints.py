"""The client's hints for its own route: `X-Gateway-Route: only=a|b, avoid=c, sort=cost`. Pure."""

from __future__ import annotations

import msgspec

from catalog.snapshot import Model

SORTS = {"cost": "cost", "latency": "latency", "weight": "weighted"}
MAX_LENGTH = 1000


class BadHint(Exception):
    """The header cannot be followed."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"Invalid X-Gateway-Route: {why}. Write it like 'only=a|b, avoid=c, sort=cost'; names are deployments "
            "of the model asked for; sort is cost, latency or weight."
        )


class Hints(msgspec.Struct, frozen=True):
    """`only` empty means any; `strategy` empty means the alias's own."""

    only: frozenset[str] = frozenset()
    avoid: frozenset[str] = frozenset()
    strategy: str = ""

    def allows(self, name: str) -> bool:
        return (not self.only or name in self.only) and name not in self.avoid


def parse(header: str, model: Model) -> Hints | None:
    """Read the header; "" is no hint. Raises BadHint."""
    if not header:
        return None
    if len(header) > MAX_LENGTH:
        raise BadHint(f"it is longer than {MAX_LENGTH:,} characters")
    names = {deployment.target.name for deployment in model.deployments}
    given: dict[str, str] = {}
    for part in header.split(","):
        word, equals, value = (text.strip() for text in part.partition("="))
        if not equals or not value or word not in {"only", "avoid", "sort"} or word in given:
            raise BadHint(f"cannot read '{part.strip()}'")
        given[word] = value
    sort = given.get("sort", "")
    if sort and sort not in SORTS:
        raise BadHint(f"cannot sort by '{sort}'")
    hints = Hints(
        only=_known(given.get("only", ""), names),
        avoid=_known(given.get("avoid", ""), names),
        strategy=SORTS.get(sort, ""),
    )
    if not any(hints.allows(name) for name in names):
        raise BadHint("it leaves no deployment")
    return hints


def _known(value: str, names: set[str]) -> frozenset[str]:
    wanted = frozenset(name.strip() for name in value.split("|")) if value else frozenset()
    unknown = sorted(wanted - names)
    if unknown:
        raise BadHint(f"'{unknown[0]}' is no deployment of this model")
    return wanted
