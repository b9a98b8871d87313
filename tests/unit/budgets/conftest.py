from __future__ import annotations

import pytest

from budgets.local.admission import LocalAdmission
from tests.unit.budgets.admission_world import Clock, Ledger


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
async def admission(clock: Clock, ledger: Ledger) -> LocalAdmission:
    return LocalAdmission(ledger.load, lambda: clock.instant, steady=lambda: clock.now)
