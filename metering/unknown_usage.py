"""Usage of a call that was not reported: charged as estimated, and counted up to its bound (K2 of the promise).

A call that reached a provider and ended without usage - a timeout, a reset, a broken response, a client or a server
that left, a kill - costs its estimate, and the rest up to its hold is unsettled: budgets count both, until it is
settled (metering/settlement/late_settlement.py). docs/decisions/0014. Pure.
"""

from __future__ import annotations

from typing import Any, Self

import msgspec

from catalog.pricing.prices import PriceSheet
from metering.attempt_costs import AttemptCosts
from metering.journal.records import Open

IS = "unsettled"


class Bounds(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=IS, tag_field="is"):
    """The most an unsettled call may cost, kept in its decision: all that is needed to price it later.

    `bound_nanousd` is what was held. `is_bound` False: no budget limited the call, so more than that may be charged.
    """

    bound_nanousd: int
    is_bound: bool = False
    most_output: int | None = None  # tokens of all choices
    sheet: PriceSheet

    @classmethod
    def for_call(cls, opened: Open, sheet: PriceSheet, costs: AttemptCosts) -> Self | None:
        """Return those of a call: what is known of it, and the hold of each attempt whose outcome is unknown.

        None: everything is known.
        """
        if not costs.unknown:
            return None
        most = opened.most_output
        return cls(
            bound_nanousd=min(opened.hold_nanousd, costs.known_nanousd + costs.unknown * opened.hold_of_one),
            is_bound=opened.is_bound,
            most_output=None if most is None else most * costs.billed,
            sheet=costs.sheet if sheet.free and costs.sheet is not None else sheet,
        )

    def rest(self, cost_nanousd: int) -> int:
        """Return what may have been spent beyond what is charged."""
        return 0 if self.sheet.free else max(0, self.bound_nanousd - cost_nanousd)

    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found
