"""The interface of admission: one atomic step decides rates, parallel calls and money for all scopes of a call.

Implementations: budgets/local (in this process); budgets/redis (shared by all workers). Both follow the rules of this
file: all checks first, then all writes; a refusal changes nothing; everything is idempotent by request id. Money is
integer nano-USD; instants are epoch seconds of the store's clock.
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
    """What a call asks for: one request, `tokens` of every TPM, `hold_nanousd` of every budget."""

    request_id: str
    scopes: tuple[ScopeRules, ...]
    tokens: int
    hold_nanousd: int


class RateLimitStatus(msgspec.Struct, frozen=True):
    """The scope with the least left, for the x-ratelimit-* headers. A limit of None is unlimited.

    Resets are the time until all of the limit is free again if no other call is made.
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
    what ended calls may have used beyond what is counted as spent, because their usage was not reported.
    `resets_nanousd` is what comes back at `resets_at`: for fixed periods all that is spent or unsettled; for a rolling
    budget the amount of its oldest day with money.
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
    """A caller's rates and budget after a step; either part is None when no rule of that kind binds."""

    rate: RateLimitStatus | None = None
    budget: BudgetStatus | None = None


class Grant(msgspec.Struct, frozen=True):
    """Permission to make one call, until it is settled or its lease ends."""

    request_id: str
    admitted_at: float
    limit_status: LimitStatus


class WindowKey(msgspec.Struct, frozen=True):
    """One window of money of one scope; budgets with the same scope, schedule and zone share it.

    A rolling schedule has one window a day, which begins n - 1 days before it: a call is counted in n of them.
    """

    scope: str
    schedule: str
    timezone: str
    start: float


class Return(msgspec.Struct, frozen=True):
    """The money that comes back to a rolling budget first: of the oldest day with any, before the window's last.

    0: there is no such day. `version` is that of the window when it was read.
    """

    at: float
    nanousd: int
    version: int = 0

    @classmethod
    def newer(cls, one: Return | None, other: Return | None) -> Return | None:
        """Return the newest by version, not by arrival or amount: a day grows by calls and shrinks by settling."""
        if one is None or other is None:
            return one or other
        return max(other, one, key=lambda each: each.version)


class WindowTotal(msgspec.Struct, frozen=True):
    """The ledger's total of a window: absolute and versioned, so a repeated or reordered one is harmless.

    `added_nanousd` is how much of it came with the calls that are posted together with this, as `version`; None when
    that is unknown (some of them were in the ledger before). `unsettled_nanousd` is the part of the total that is not
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
        self.is_counted = False  # as in BudgetRefused
        self.limit_status = LimitStatus()
        super().__init__(f"{scope} has used its {limit} {rule}")


class BudgetRefused(Exception):
    """The worst case of the call does not fit into `budget`."""

    def __init__(
        self, budget: BudgetStatus, needed_nanousd: int, rates: RateLimitStatus | None = None
    ) -> None:
        self.budget, self.needed_nanousd = budget, needed_nanousd
        self.is_counted = False  # its prompt was counted without success, which costs work
        self.enlarged_by: tuple[Cause, ...] = ()  # what made the hold so large (budgets/admission/reserve.py)
        self.limit_status = LimitStatus(rate=rates, budget=budget)
        super().__init__(f"{budget.scope}: {needed_nanousd} nano-USD do not fit")


class AdmissionUnavailable(Exception):
    """What was spent is unknown at present, so nothing was decided and nothing changed. Worth a retry."""


class Admission(Protocol):
    """Decides, keeps what was granted, and drops it exactly once."""

    def fitness(self) -> tuple[str, bool]:
        """Return why the store behind it cannot decide at present ("" when it can), and whether there is money that may
        be granted without it. Sends no command.
        """
        return "", True

    async def admit(self, ask: AdmissionRequest) -> Grant:
        """Grant the call, or raise RateRefused, BudgetRefused or AdmissionUnavailable.

        The same request id again returns the first grant.
        """
        ...

    async def raise_hold(self, request_id: str, hold_nanousd: int) -> bool:
        """Raise a running call's hold to this amount if it fits; False if it does not (nothing changes).

        It does not fit once a rolling budget has moved to another day: the call was not admitted in that window.
        """
        ...

    async def settle(
        self, request_id: str, tokens: int, cost_nanousd: int, unsettled_nanousd: int = 0
    ) -> LimitStatus:
        """End a call: free its slot, correct its tokens, replace its hold by its cost until that is posted.

        What is unsettled counts beside the cost, as if it were spent. If both are 0 the hold is released at once.
        Unknown or settled ids change nothing.
        """
        ...

    async def renew(self, request_ids: Sequence[str]) -> None:
        """Keep the leases of running calls alive; called every few seconds by the process that runs them."""
        ...

    async def publish_totals(
        self, posts: Sequence[WindowTotal], request_ids: Sequence[str], *, is_adopted: bool = False
    ) -> bool:
        """Apply the ledger's totals and drop the holds of the calls that are now in them.

        `is_adopted`: they are those of a process that has ended. Return False if they are only queued, and sent
        later; if this process ends before that, they must be posted again.
        """
        ...

    async def status(self, scopes: Sequence[ScopeRules]) -> LimitStatus:
        """Return the limit status of a caller, without admitting anything (for answers that are not calls)."""
        ...

    async def budgets(self, scopes: Sequence[ScopeRules]) -> list[BudgetStatus]:
        """Return the status of every budget of these scopes of one tenant, in their order, in one step (for pages).

        Raises AdmissionUnavailable.
        """
        ...

    async def invalidate(self) -> None:
        """Drop every total loaded from the ledger, so that the next step loads it again (rebuild)."""
        ...

    async def release_worker(self, worker: str) -> bool:
        """Release a process that has certainly ended: nothing waits for it any longer. False: call it again later."""
        ...
