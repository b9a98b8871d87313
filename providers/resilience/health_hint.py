"""A process's hint to others about a deployment. A pure value; gateway/invalidation/health_hints.py carries it."""

from __future__ import annotations

from typing import Literal

import msgspec


class HealthHint(msgspec.Struct, frozen=True, omit_defaults=True):
    """`seconds` is the remaining time, so that clocks need not agree.

    open: it fails, or its credential does; cool: its provider asked not to be called; closed: it serves again.
    """

    deployment: int  # the row's id
    what: Literal["open", "cool", "closed"]
    seconds: float = 0.0
    reason: str = ""
    tenant_id: int = 0  # the hint is for this tenant's calls only; 0: for all
