"""What a call may have used that nobody told us: charged as estimated, and counted up to its bound (K2 of the promise).

A call that reached a provider and ended without usage - a timeout, a reset, a broken answer, a client or a server
that left, a kill - costs what is estimated, and the rest up to its hold is unsettled: budgets count both, until it is
made exact (metering/settling.py). docs/decisions/0014. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import msgspec

from catalog.prices import Line, PriceSheet, Receipt, cost
from metering.dispute import Charge, Most, charge
from metering.records import Open
from providers.upstream import Attempt
from providers.usage import Usage

IS = "unsettled"


class Bounds(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=IS, tag_field="is"):
    """What a call that is unsettled may come to, kept in its decision: all that is needed to price it later.

    `bound_nanousd` is what was held. `is_bound` False: no budget bound the call, so more than that may be charged.
    """

    bound_nanousd: int
    is_bound: bool = False
    most_output: int | None = None  # tokens of all choices
    sheet: PriceSheet

    @classmethod
    def of(cls, opened: Open, sheet: PriceSheet) -> Self:
        """Return those of a call whose every try may have come to what was held for one."""
        return cls(
            bound_nanousd=opened.hold_nanousd,
            is_bound=opened.is_bound,
            most_output=opened.most_output,
            sheet=sheet,
        )

    def within(self, nanousd: int, tries: int = 1) -> Self:
        """Return the same with a lower bound, where a part of the call is known; so many tries may reach the cap."""
        most = None if self.most_output is None else self.most_output * tries
        return msgspec.structs.replace(self, bound_nanousd=min(nanousd, self.bound_nanousd), most_output=most)

    @property
    def most(self) -> Most:
        return Most(self.most_output, self.bound_nanousd if self.is_bound else None)

    def estimated(self, usage: Usage) -> Charge:
        """Return what an estimate is charged: within the bound, and nobody has claimed what is beyond."""
        return Charge(charge(usage, self.sheet, self.most).bill)

    def rest(self, cost_nanousd: int) -> int:
        """Return what may have been spent beyond what is charged."""
        return 0 if self.sheet.free else max(0, self.bound_nanousd - cost_nanousd)

    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


def with_lost(charged: Charge, tries: int, bounds: Bounds, prompt_tokens: int) -> Charge:
    """Add the estimate of tries whose outcome nobody knows: the prompt of each, within the bound."""
    each = cost(Usage(input_tokens=prompt_tokens), bounds.sheet)
    room = max(0, bounds.bound_nanousd - charged.bill.total_nanousd)
    amount = min(tries * each, room)
    line = Line("lost_try", tries, str(each), str(amount), bounds.sheet.id)
    bill = Receipt((*charged.bill.lines, line), charged.bill.total_nanousd + amount)
    return msgspec.structs.replace(charged, bill=bill)


def lost_tries(attempts: Sequence[Attempt]) -> int:
    """Return how many tries nobody knows the outcome of."""
    return sum([is_unknown(attempt) for attempt in attempts])


def is_unknown(attempt: Attempt) -> bool:
    """Whether a try may have been billed although it did not bring an answer. A provider that answers with an error is
    taken at its word: it used nothing.
    """
    return attempt.reached and attempt.status is None and attempt.outcome != "ok"
