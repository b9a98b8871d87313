from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import invariant, run_state_machine_as_test
from typing_extensions import override

from budgets.local.admission import LocalAdmission
from budgets.local.window_cache import Load
from tests.unit.budgets.admission_machine import LAST_MINUTE_OF_A_LEAP_DAY, AdmissionMachine, Subject
from tests.unit.budgets.admission_model import LEASE_S, ORPHAN_S
from tests.unit.budgets.clock_step_story import LIMIT, raised_after_a_step_back


class LocalSubject(Subject):
    admission: LocalAdmission
    tells_again = False

    def __init__(self) -> None:
        self.instant, self.now = LAST_MINUTE_OF_A_LEAP_DAY, 1000.25

    @override
    async def start(self, load: Load) -> None:
        self.admission = LocalAdmission(
            load, lambda: self.instant, LEASE_S, ORPHAN_S, steady=lambda: self.now
        )

    @override
    def faults(self) -> list[str]:
        return self.admission.audit()

    @override
    def census(self) -> tuple[int, int, int]:
        sizes = self.admission.sizes()
        return sizes["running"], sizes["settled"], self.admission.orphans


@pytest.mark.parametrize(
    ("examples", "steps"), [(50, 1_000), pytest.param(180, 5_000, marks=pytest.mark.soak)]
)
def test_admission_decides_like_the_naive_model_in_thousands_of_steps(examples: int, steps: int) -> None:
    seen: Counter[str] = Counter()

    class LocalMachine(AdmissionMachine):
        @override
        def subject(self) -> Subject:
            return LocalSubject()

        @invariant()
        def another_step_was_made(self) -> None:
            seen.update(steps=1)

    run_state_machine_as_test(
        LocalMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=60,
            database=None,
            report_multiple_bugs=False,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert seen["steps"] >= steps


async def test_a_step_back_over_midnight_counts_in_both_windows_of_a_rolling_budget() -> None:
    assert await raised_after_a_step_back(LocalSubject()) == (LIMIT, False)
