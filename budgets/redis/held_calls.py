"""The calls that a worker keeps in memory, to send them to Redis again after a loss of data. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from budgets.admission.interface import AdmissionRequest, Grant, LimitStatus
from budgets.redis.rows import NO_SECOND, CallRow
from budgets.redis.scope_request import ScopeRequest, scope_request


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
        self.unsettled = 0  # part of the amount, once it is settled
        self.link = 0  # number of the connection over which Redis last received it
        self.is_offline = False  # granted while Redis was unreachable, and not sent to it yet
        self.is_unknown = False  # Redis cannot know it: there is nothing to release there

    @classmethod
    def of(cls, ask: AdmissionRequest, instant: float) -> Self:
        """Return the call as it is kept when Redis has not answered."""
        grant = Grant(ask.request_id, instant, LimitStatus())
        return cls(ask.request_id, scope_request(ask.scopes, instant), ask.tokens, ask.hold_nanousd, grant)

    def settle(self, tokens: int, cost: int, unsettled: int) -> None:
        """Replace its hold by its cost and its unsettled amount."""
        self.tokens, self.amount, self.unsettled, self.is_settled = tokens, cost + unsettled, unsettled, True

    @property
    def is_worth_telling(self) -> bool:
        """Whether Redis must keep a slot or money for it."""
        return not self.is_settled or (self.amount > 0 and not self.is_posted)

    def row(self, worker: str) -> list[Any]:
        """Return it as the scripts store it, with the worker's name, so that it ends with its worker."""
        names = [rules.scope for rules in self.want.scopes]
        seconds = self.seconds or [NO_SECOND] * len(names)
        row = CallRow(
            0 if self.is_posted else self.amount,
            self.unsettled if self.is_settled else self.tokens,
            self.grant.admitted_at,
            self.is_settled,
            self.is_posted,
            worker,
            tuple(zip(names, seconds, strict=True)),
        )
        return row.packed()
