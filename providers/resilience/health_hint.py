"""What one process tells the others of a deployment. A pure value; gateway/invalidation/health_hints.py carries it."""

from __future__ import annotations

from typing import Literal

import msgspec


class HealthHint(msgspec.Struct, frozen=True, omit_defaults=True):
    """`seconds` are those that are left, so that nobody's clock matters.

    open: it fails, or its credential does; cool: its provider asked not to be called; closed: it serves again.
    """

    deployment: int  # the row's id
    what: Literal["open", "cool", "closed"]
    seconds: float = 0.0
    reason: str = ""
    tenant_id: int = 0  # only its calls are meant; 0: everybody's
