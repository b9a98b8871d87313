"""The last standing of each caller that the shared store told this worker, for answers while it cannot be asked.

A number that is a moment old serves a client better than none. Bounded; one dictionary entry a caller.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from budgets.admission.interface import LimitStatus, ScopeRules

MOST = 20_000

_Who = tuple[str, ...]


class StatusCache:
    """By the names of a caller's scopes."""

    def __init__(self) -> None:
        self._last: dict[_Who, LimitStatus] = {}

    def record(self, scopes: Sequence[ScopeRules], standing: LimitStatus) -> LimitStatus:
        """Remember it, and return it."""
        who = _who(scopes)
        if who not in self._last and len(self._last) >= MOST:
            del self._last[next(iter(self._last))]
        self._last[who] = standing
        return standing

    def get(self, scopes: Sequence[ScopeRules], instant: float) -> LimitStatus | None:
        """Return what was true when it was last told; of a budget only while its window lasts."""
        last = self._last.get(_who(scopes))
        if last is None or last.budget is None or instant < last.budget.resets_at:
            return last
        return msgspec.structs.replace(last, budget=None)


def _who(scopes: Sequence[ScopeRules]) -> _Who:
    return tuple(rules.scope for rules in scopes)
