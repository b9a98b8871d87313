"""The last limit status of each caller that Redis sent to this worker, for answers while Redis is unreachable.

A slightly old number is more useful to a client than none. Bounded: the caller that called least recently goes.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from cachetools import LRUCache

from budgets.admission.interface import LimitStatus, ScopeRules

MOST = 20_000

_ScopeNames = tuple[str, ...]


class StatusCache:
    """Keyed by the names of a caller's scopes."""

    def __init__(self) -> None:
        self._last: LRUCache[_ScopeNames, LimitStatus] = LRUCache(MOST)

    def record(self, scopes: Sequence[ScopeRules], limit_status: LimitStatus) -> LimitStatus:
        """Store it, and return it."""
        self._last[_names_of(scopes)] = limit_status
        return limit_status

    def get(self, scopes: Sequence[ScopeRules], instant: float) -> LimitStatus | None:
        """Return the last recorded status; its budget only before `resets_at`."""
        last = self._last.get(_names_of(scopes))
        if last is None or last.budget is None or instant < last.budget.resets_at:
            return last
        return msgspec.structs.replace(last, budget=None)


def _names_of(scopes: Sequence[ScopeRules]) -> _ScopeNames:
    return tuple(rules.scope for rules in scopes)
