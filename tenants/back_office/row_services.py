"""Which services write the rows of a page of the administration, by model. A model without services is read-only."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from django.db.models import Model


def _nothing(_: Any) -> dict[str, Any]:
    return {}


class RowServices(msgspec.Struct, frozen=True):
    """`write(row, actor=…)` and `remove(row, actor=…)`; `given` returns further arguments of `write` from the form."""

    write: Callable[..., object]
    remove: Callable[..., object] | None = None
    given: Callable[[Any], dict[str, Any]] = _nothing


SERVICES: dict[type[Model], RowServices] = {}


def services_of(model: type[Model]) -> RowServices:
    """Return what writes the rows of a model. Raises KeyError: the page must not offer to write them."""
    return SERVICES[model]
