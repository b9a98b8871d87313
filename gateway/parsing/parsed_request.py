"""What the gateway knows of a request once its body is parsed."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from budgets.admission.demand import Demand
from providers.dialects.base import Shape
from providers.requests.responses.items import StateName


class Names(msgspec.Struct, frozen=True):
    """The members used for routing where an alias is sticky or has an experiment."""

    user: str | None = None
    prompt_cache_key: str | None = None


class ParsedRequest(msgspec.Struct, frozen=True):
    """A parsed request: its alias, what the dialect needs, its maximum consumption."""

    alias: str
    shape: Shape
    demand: Demand
    names: Names | None = None  # of a body that is too large to be parsed again
    state: tuple[StateName, ...] = ()  # what it names that only one account of a provider has


BodyParser = Callable[[bytes], ParsedRequest]
_names = msgspec.json.Decoder(Names)


def names_in(raw: bytes) -> Names:
    """Return the names in a body; none where one of them is not text."""
    try:
        return _names.decode(raw)
    except msgspec.ValidationError:
        return Names()
