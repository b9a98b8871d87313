"""What admission decides after the clock was set back over midnight, as any implementation must. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from budgets.admission.budget_windows import window
from budgets.admission.interface import (
    AdmissionRequest,
    BudgetRule,
    Limits,
    ScopeRules,
    WindowKey,
    WindowTotal,
)
from tests.unit.budgets.admission_ledger import Ledger
from tests.unit.budgets.admission_machine import HOUR_S, Subject

LIMIT = 40
RULES = (
    ScopeRules("key:1", Limits()),
    ScopeRules("tenant:1", Limits(), (BudgetRule(LIMIT, "rolling_2d", "UTC"),)),
)


async def raised_after_a_step_back(subject: Subject) -> tuple[int, bool]:
    """Return what the later window holds after calls of the day before, and whether a call in it may hold more.

    The windows of a rolling budget overlap: what is admitted an hour before midnight counts in the window of the next
    day too, which is known already as the clock was there before.
    """

    async def load(keys: Sequence[WindowKey]) -> list[WindowTotal]:
        return [Ledger().post(key) for key in keys]

    await subject.start(load)
    admission = subject.admission
    subject.instant = window("daily", "UTC", subject.instant).end
    await admission.admit(AdmissionRequest("first", RULES, 0, 0))
    subject.instant -= HOUR_S
    await admission.admit(AdmissionRequest("second", RULES, 0, LIMIT))
    may_hold_more = await admission.raise_hold("first", 1)
    after = await admission.settle("first", 0, 0)
    assert after.budget is not None
    return after.budget.held_nanousd, may_hold_more
