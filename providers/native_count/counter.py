"""Asks providers for the count of a prompt that does not fit a budget by its bytes: seldom, briefly, and bounded.

A tenant may have two such questions at once and twenty in a minute. Where providers cannot or do not say, the result is
None, and the cheap bound is used.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from gateway.values.fallback_log import FALLBACKS
from gateway.values.quota import Quota
from providers.native_count.asking import Prompt, count_at
from providers.target import Target
from providers.tokens.amounts import Bound
from providers.transport.client import Transport

WAIT_S: Final = 2.0
MOST_BYTES: Final = 8 * 1024 * 1024  # a longer body is not sent twice
MOST_AT_ONCE: Final = 2  # prompts of a tenant
MOST_OF_ALL: Final = 32
MOST_KINDS: Final = 3  # different models of one call
QUOTA: Final = 20.0  # prompts at once
REFILL: Final = 20 / 60  # prompts a second


class ProviderCounter:
    """`counted` is the number of counted prompts."""

    def __init__(self, transport: Transport, clock: Callable[[], float] = time.monotonic) -> None:
        self.counted = 0
        self._transport = transport
        self._quota = Quota(clock, QUOTA, REFILL)
        self._running: dict[int, int] = {}

    async def count(self, tenant_id: int, prompt: Prompt, targets: Sequence[Target]) -> Bound | None:
        """Return the largest count of the targets; None: one of them does not say."""
        asked = _one_of_each(targets)
        is_known = all(prompt.count_at(target) is not None for target in asked)
        if not asked or not is_known or len(asked) > MOST_KINDS or len(prompt.raw) > MOST_BYTES:
            return None
        running = self._running.get(tenant_id, 0)
        if running >= MOST_AT_ONCE or sum(self._running.values()) >= MOST_OF_ALL:
            FALLBACKS.note("native_count_busy", f"tenant {tenant_id} has {running} prompts at providers")
            return None
        if self._quota.left(tenant_id) < 1:
            FALLBACKS.note("native_count_quota", f"tenant {tenant_id} has had its counts of this minute")
            return None
        self._quota.spend(tenant_id, 1)
        self._running[tenant_id] = running + 1
        try:
            found = await asyncio.gather(
                *[count_at(self._transport, prompt, target, WAIT_S) for target in asked]
            )
        finally:
            self._running[tenant_id] -= 1
            if not self._running[tenant_id]:
                del self._running[tenant_id]
        known = [tokens for tokens in found if tokens is not None]
        if len(known) < len(asked):
            return None
        self.counted += 1
        return Bound(max(known))


def _one_of_each(targets: Sequence[Target]) -> list[Target]:
    """Return one target of each model at each provider: the others would say the same."""
    kinds: dict[tuple[str, str, str], Target] = {}
    for target in targets:
        kinds.setdefault((target.provider, target.api, target.upstream_model), target)
    return [*kinds.values()]
