"""Understands a body within its limits: how much is in it is known before it is decoded, whatever its size.

A body beyond 256 kB is scanned in slices, between which other calls have their turn, and then decoded beside the loop.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.api.body_limits import check_small, limits_of, refusal_of
from gateway.api.schemas import Peek, Want
from providers.outline import LARGE, outlining
from providers.outline_limits import NotJson, OverLimit

if TYPE_CHECKING:
    from gateway.config.sections import Server
    from providers.heavy_work import Share


async def understand(raw: bytes, peek: Peek, server: Server, share: Share) -> Want:
    """Return what the body asks for. Raises BadRequest, Unacceptable."""
    limits = limits_of(server, len(raw))
    if len(raw) <= LARGE:
        want = peek(raw)
        check_small(raw, limits, want.demand)
        return want
    try:
        await share.run(outlining(raw, limits))
    except (OverLimit, NotJson) as error:
        raise refusal_of(error) from None
    return await asyncio.to_thread(peek, raw)
