"""What a worker remembers of its own calls: that is what Redis is told again after a loss of data. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from budgets.admission.interface import (
    AdmissionRequest,
    Grant,
    LimitStatus,
)
from budgets.redis.scope_request import ScopeRequest, scope_request

NO_SECOND = -1


class HeldCall:
    """One call of this worker, from its grant until the ledger has it."""

    __slots__ = (
        "amount",
        "grant",
        "is_offline",
        "is_posted",
        "is_settled",
        "is_unknown",
        "link",
        "request_id",
        "seconds",
        "tokens",
        "unsettled",
        "want",
    )

    def __init__(self, request_id: str, want: ScopeRequest, tokens: int, amount: int, grant: Grant) -> None:
        self.request_id, self.want, self.grant = request_id, want, grant
        self.tokens, self.amount = tokens, amount
        self.seconds: Sequence[int] = ()
        self.is_settled = self.is_posted = False
        self.unsettled = 0  # of the amount, once it is settled
        self.link = 0  # over which connection the store was told of it last
        self.is_offline = False  # granted while the store was away, which has not been told of it yet
        self.is_unknown = False  # and cannot know: nothing needs to be taken back there

    @classmethod
    def of(cls, ask: AdmissionRequest, instant: float) -> Self:
        """Return the call as it is remembered where Redis has not answered."""
        grant = Grant(ask.request_id, instant, LimitStatus())
        return cls(ask.request_id, scope_request(ask.scopes, instant), ask.tokens, ask.hold_nanousd, grant)

    def settle(self, tokens: int, cost: int, unsettled: int) -> None:
        """Turn its hold into what it counts for from now on."""
        self.tokens, self.amount, self.unsettled, self.is_settled = tokens, cost + unsettled, unsettled, True

    @property
    def is_worth_telling(self) -> bool:
        """Whether the store should hold something for it: a slot, or money."""
        return not self.is_settled or (self.amount > 0 and not self.is_posted)

    def row(self, worker: str) -> list[Any]:
        """Return it as the scripts keep it: whose it is, so that it ends with its worker."""
        row: list[Any] = [
            0 if self.is_posted else self.amount,
            self.unsettled if self.is_settled else self.tokens,
            self.grant.admitted_at,
            int(self.is_settled),
            int(self.is_posted),
            worker,
        ]
        for place, rules in enumerate(self.want.scopes):
            row += [rules.scope, self.seconds[place] if self.seconds else NO_SECOND]
        return row
