"""The rows that the scripts receive and store, as arrays without names; budgets/redis/lua/lib/rows has their places.

Money is integer nano-USD, times are epoch seconds.
"""

from __future__ import annotations

from typing import Any, Self

import msgspec

from budgets.admission.budget_windows import window_from
from budgets.admission.interface import WindowKey, WindowTotal

UNLIMITED = -1
NOT_KNOWN = -1  # how much a post added
NO_SECOND = -1  # of a call that is in no ring


class WindowRow(msgspec.Struct, frozen=True, array_like=True):
    """A budget, with the window that counts now. lib/rows/budget.lua."""

    name: str
    start: float
    stop: float
    limit_nanousd: int


class RollingWindowRow(WindowRow, frozen=True, array_like=True):
    """Of a window that binds calls only from `since` on, which is after its start."""

    since: float


class ScopeRow(msgspec.Struct, frozen=True, array_like=True):
    """The rules of a scope; UNLIMITED where there is no limit. lib/rows/scope.lua."""

    scope: str
    requests_per_minute: int
    tokens_per_minute: int
    parallel_requests: int
    budgets: list[WindowRow]


class PostRow(msgspec.Struct, frozen=True, array_like=True):
    """A total of the ledger. `added_nanousd` may be NOT_KNOWN. lib/rows/post.lua."""

    scope: str
    window: str
    start: float
    stop: float
    spent_nanousd: int
    version: int
    added_nanousd: int
    unsettled_nanousd: int

    @staticmethod
    def of(post: WindowTotal) -> PostRow:
        key, returns = post.window, post.returns
        end = window_from(key.schedule, key.timezone, key.start).end
        added = NOT_KNOWN if post.added_nanousd is None else post.added_nanousd
        window = key.scope, window_name(key), key.start, end
        total = post.spent_nanousd, post.version, added, post.unsettled_nanousd
        if returns is None:
            return PostRow(*window, *total)
        return ReturningPostRow(*window, *total, returns.at, returns.nanousd, returns.version)


class ReturningPostRow(PostRow, frozen=True, array_like=True):
    """Of a rolling window of which something returns before its end."""

    return_at: float
    returned_nanousd: int
    return_version: int


class CallRow(msgspec.Struct, frozen=True):
    """A call. `scopes`: each with its second in the ring, or NO_SECOND. lib/rows/call.lua.

    `tokens` are those that it reserved; once it is settled, the unsettled part of its amount is in their place.
    """

    amount_nanousd: int
    tokens: int
    granted_at: float
    is_settled: bool
    is_posted: bool
    worker: str
    scopes: tuple[tuple[str, int], ...]

    def packed(self) -> list[Any]:
        """Return the array: its length depends on the number of scopes."""
        pairs = [word for pair in self.scopes for word in pair]
        flags = int(self.is_settled), int(self.is_posted)
        return [self.amount_nanousd, self.tokens, self.granted_at, *flags, self.worker, *pairs]

    @classmethod
    def of_packed(cls, row: list[Any]) -> Self:
        amount, tokens, granted_at, is_settled, is_posted, worker, *pairs = row
        scopes = tuple(zip(pairs[::2], pairs[1::2], strict=True))
        return cls(amount, tokens, granted_at, bool(is_settled), bool(is_posted), worker, scopes)


def window_name(key: WindowKey) -> str:
    return f"{key.schedule}|{key.timezone}|{key.start:.0f}"
