"""The deployment that made what a request refers to: thinking of earlier turns, stored responses."""

from __future__ import annotations

from typing import Final

from catalog.routing.route import Pin
from gateway.inference.call_context import CallContext
from providers.isolation.ownership import latest_owner

THINKING: Final = "the thinking in its history"


def pin_of(context: CallContext) -> Pin | None:
    """Return the deployment that should answer; None: any may."""
    owner = latest_owner(context.body)
    return Pin(owner, THINKING) if owner else None
