"""The seam of admission: one atomic step decides rate, parallel and money for all scopes of a call.

Implementations: budgets/local (in this process); budgets/redis (shared by all workers). Both
obey this page: all checks first, then all writes; a refusal changes nothing; everything is idempotent by
request id. Money is integer nano-USD; instants are epoch seconds of the store's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from budgets.admission.hold_causes import Cause

SLOT_RETRY_MS = 1000  # the end of a running call is unknown: a fixed Retry-After


class Limits(msgspec.Struct, frozen=True):
    """Rates of one scope, already resolved (default -> override). None is unlimited."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    parallel_requests: int | None = None


class BudgetRule(msgspec.Struct, frozen=True):
    """One budget of one scope. `schedule`: one of budgets/admission/budget_windows.py."""

    limit_nanousd: int
    schedule: str = "calendar_month"
    timezone: str = "UTC"
    warning_ratio: float = 0.8
    clamp: bool = False  # on_insufficient: clamp instead of refuse


class ScopeRules(msgspec.Struct, frozen=True):
    """All rules of one scope. `scope` is "tenant:<id>" or "key:<id>"; several budgets are allowed."""

    scope: str
    limits: Limits = Limits()
    budgets: tuple[BudgetRule, ...] = ()

    @property
    def kind(self) -> str:
        return self.scope.partition(":")[0]


class AdmissionRequest(msgspec.Struct, frozen=True):
    """What a call wants: one request, `tokens` of every TPM, `hold_nanousd` of every budget."""

    request_id: str
    scopes: tuple[ScopeRules, ...]
    tokens: int
    hold_nanousd: int


class RateLimitStatus(msgspec.Struct, frozen=True):
    """The scope with the least left, for the x-ratelimit-* headers. A limit of None is unlimited.

    Resets are the time until all of the limit is free again if nothing else is asked.
    """

    limit_requests: int | None = None
    remaining_requests: int | None = None
    reset_requests_ms: int = 0
    limit_tokens: int | None = None
    remaining_tokens: int | None = None
    reset_tokens_ms: int = 0


class BudgetStatus(msgspec.Struct, frozen=True):
    """The budget with the least money left among those that bind a call.

    `spent` includes settled amounts that are not yet posted; `held` is what running calls have reserved; `unsettled` is
    what ended calls may have used beyond what is counted as spent, because nobody said what they used.
    `resets_nanousd` is what comes back at `resets_at`: all that is spent or unsettled, of fixed periods; of a rolling
    budget what the oldest day with money came to.
    """

    scope: str
    schedule: str
    limit_nanousd: int
    spent_nanousd: int
    held_nanousd: int
    resets_at: float
    warning_ratio: float = 0.8
    resets_nanousd: int = 0
    unsettled_nanousd: int = 0

    @property
    def remaining_nanousd(self) -> int:
        return max(0, self.limit_nanousd - self.spent_nanousd - self.unsettled_nanousd)

    @property
    def room_nanousd(self) -> int:
        """What a new hold may take; negative where a limit was lowered."""
        return self.limit_nanousd - self.spent_nanousd - self.unsettled_nanousd - self.held_nanousd


class LimitStatus(msgspec.Struct, frozen=True):
    """Where the caller stands after a step; either part is None when nothing of that kind binds."""

    rate: RateLimitStatus | None = None
    budget: BudgetStatus | None = None


class Grant(msgspec.Struct, frozen=True):
    """Permission to make one call, until it is settled or its lease ends."""

    request_id: str
    admitted_at: float
    standing: LimitStatus


class WindowKey(msgspec.Struct, frozen=True):
    """One window of money of one scope; budgets with the same scope, schedule and zone share it.

    Of a rolling schedule there is one a day, which begins n - 1 days before: a call is counted in n of them.
    """

    scope: str
    schedule: str
    timezone: str
    start: float


class Return(msgspec.Struct, frozen=True):
    """Money that comes back to a rolling budget first: of the oldest day with any, before the window's last.

    0: there is no such day. `version` is the window's, of when it was read.
    """

    at: float
    nanousd: int
    version: int = 0

    @classmethod
    def newer(cls, one: Return | None, other: Return | None) -> Return | None:
        """Return the newest one, in whatever order they came: a day gets more by calls, and less by settling."""
        if one is None or other is None:
            return one or other
        return max(other, one, key=lambda each: each.version)


class WindowTotal(msgspec.Struct, frozen=True):
    """What the ledger says of a window: absolute and versioned, so twice or out of order is harmless.

    `added_nanousd` is how much of it came with the calls that are posted together with this, as `version`; None when
    nobody can tell (some of them were in the ledger before). `unsettled_nanousd` is the part of the total that is not
    known to be spent (docs/decisions/0014); for display, budgets count the total. `returns`: of a rolling window, when
    something of it was loaded, or came late for a day before its last.
    """

    window: WindowKey
    spent_nanousd: int
    version: int
    added_nanousd: int | None = None
    unsettled_nanousd: int = 0
    returns: Return | None = None


class RateRefused(Exception):
    """rule: requests | tokens | parallel. `possible` is False when the call alone exceeds the limit."""

    def __init__(
        self, scope: str, rule: str, limit: int, remaining: int, resets_in_ms: int, *, possible: bool = True
    ) -> None:
        self.scope, self.rule, self.limit = scope, rule, limit
        self.remaining, self.resets_in_ms, self.possible = remaining, resets_in_ms, possible
        self.is_counted = False  # as below
        self.standing = LimitStatus()
        super().__init__(f"{scope} has used its {limit} {rule}")


class BudgetRefused(Exception):
    """The worst case of the call does not fit into `standing`'s budget."""

    def __init__(
        self, standing: BudgetStatus, needed_nanousd: int, rates: RateLimitStatus | None = None
    ) -> None:
        self.budget, self.needed_nanousd = standing, needed_nanousd
        self.is_counted = False  # its prompt was counted in vain, which is work
        self.enlarged_by: tuple[Cause, ...] = ()  # what made it so dear (budgets/admission/reserve.py)
        self.standing = LimitStatus(rate=rates, budget=standing)
        super().__init__(f"{standing.scope}: {needed_nanousd} nano-USD do not fit")


class AdmissionUnavailable(Exception):
    """Nobody can tell now what was spent, so nothing was decided and nothing changed. Worth a retry."""


class Admission(Protocol):
    """Decides, remembers what was granted, and forgets it exactly once."""

    def fitness(self) -> tuple[str, bool]:
        """Return why the store behind it cannot decide at present ("" when it can), and whether there is money that may
        be granted without it. Asks nobody.
        """
        return "", True

    async def admit(self, ask: AdmissionRequest) -> Grant:
        """Grant the call, or raise RateRefused, BudgetRefused or AdmissionUnavailable.

        The same request id again returns the first grant.
        """
        ...

    async def raise_hold(self, request_id: str, hold_nanousd: int) -> bool:
        """Raise a running call's hold to this amount if it fits; False if it does not (nothing changes).

        It does not once a rolling budget has turned to another day: there it was not asked.
        """
        ...

    async def settle(
        self, request_id: str, tokens: int, cost_nanousd: int, unsettled_nanousd: int = 0
    ) -> LimitStatus:
        """End a call: free its slot, true up its tokens, turn its hold into its cost until that is posted.

        What is unsettled counts beside the cost, as if it were spent. If both are 0 the hold is free at once. Unknown
        or settled ids change nothing.
        """
        ...

    async def renew(self, request_ids: Sequence[str]) -> None:
        """Keep the leases of running calls alive; called every few seconds by the process that runs them."""
        ...

    async def publish_totals(
        self, posts: Sequence[WindowTotal], request_ids: Sequence[str], *, is_adopted: bool = False
    ) -> bool:
        """Take over the ledger's totals and drop the holds of the calls that are now in them.

        `is_adopted`: they are those of a process that has died. The answer False: it is only remembered, and told
        later; if this process ends before that, somebody must post it again.
        """
        ...

    async def status(self, scopes: Sequence[ScopeRules]) -> LimitStatus:
        """Where a caller stands, without asking for anything (for answers that are not calls)."""
        ...

    async def budgets(self, scopes: Sequence[ScopeRules]) -> list[BudgetStatus]:
        """Where every budget of these scopes of one tenant stands, in their order, asked for once (for pages).

        Raises AdmissionUnavailable.
        """
        ...

    async def invalidate(self) -> None:
        """Drop every total learnt from the ledger, so that the next step loads it again (rebuild)."""
        ...

    async def release_worker(self, worker: str) -> bool:
        """Learn that this process is surely dead: nothing waits for it any longer. False: say it again later."""
        ...
