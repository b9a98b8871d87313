"""Parts of the tests of admission: clocks and a ledger that the test controls, and small rules."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from budgets.admission.interface import (
    AdmissionRequest,
    BudgetRefused,
    BudgetRule,
    Limits,
    RateRefused,
    ScopeRules,
    WindowKey,
    WindowTotal,
)
from budgets.local.admission import LocalAdmission

MAY_NOON = 1_714_564_800.0  # 2024-05-01T12:00:00Z


class Clock:
    def __init__(self) -> None:
        self.instant, self.now = MAY_NOON, 50.0

    def wait(self, seconds: float) -> None:
        self.instant += seconds
        self.now += seconds


class Ledger:
    """The totals of the database; can be slow, and can fail."""

    def __init__(self, spent: int = 0) -> None:
        self.spent, self.version, self.loads = spent, 1, 0
        self.failure: Exception | None = None
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def load(self, keys: Sequence[WindowKey]) -> list[WindowTotal]:
        self.loads += 1
        self.asked.set()
        posts = [WindowTotal(key, self.spent, self.version) for key in keys]
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return posts


def scopes(limits: Limits = Limits(), *budgets: int) -> tuple[ScopeRules, ...]:  # noqa: B008 - frozen
    return (
        ScopeRules("key:1", limits, tuple(BudgetRule(limit) for limit in budgets)),
        ScopeRules("tenant:1"),
    )


def key_of_may() -> WindowKey:
    return WindowKey("key:1", "calendar_month", "UTC", 1_714_521_600.0)


async def outcome(admission: LocalAdmission, ask: AdmissionRequest) -> str:
    try:
        await admission.admit(ask)
    except RateRefused as no:
        return no.rule
    except BudgetRefused:
        return "budget"
    return "granted"
