from __future__ import annotations

import asyncio

import pytest

from budgets.admission.interface import (
    AdmissionRequest,
    AdmissionUnavailable,
    BudgetRule,
    Limits,
    LimitStatus,
    ScopeRules,
    WindowTotal,
)
from budgets.local.admission import LocalAdmission
from tests.unit.budgets.admission_world import Clock, Ledger, key_of_may, outcome, scopes


async def test_exactly_what_fits_is_granted_of_two_hundred_calls_at_once(
    admission: LocalAdmission, ledger: Ledger
) -> None:
    ledger.spent = 35
    asks = [AdmissionRequest(f"r{i}", scopes(Limits(), 1000), 1, 10) for i in range(200)]
    outcomes = await asyncio.gather(*(outcome(admission, ask) for ask in asks))
    assert outcomes.count("granted") == 96
    assert outcomes.count("budget") == 104
    assert ledger.loads == 1
    assert admission.audit() == []


async def test_a_settled_amount_stays_until_the_ledger_posts_it(
    admission: LocalAdmission, clock: Clock
) -> None:
    rules = scopes(Limits(), 10)
    await admission.admit(AdmissionRequest("a", rules, 1, 10))
    await admission.settle("a", 1, 8)
    clock.wait(3600)
    assert await outcome(admission, AdmissionRequest("b", rules, 1, 3)) == "budget"
    await admission.publish_totals([WindowTotal(key_of_may(), 8, 2)], ["a"])
    limit_status = await admission.status(rules)
    assert limit_status.budget is not None
    assert (limit_status.budget.spent_nanousd, limit_status.budget.held_nanousd) == (8, 0)
    assert await outcome(admission, AdmissionRequest("c", rules, 1, 2)) == "granted"


async def test_a_ledger_quicker_than_the_settlement_leaves_no_phantom(admission: LocalAdmission) -> None:
    rules = scopes(Limits(None, None, 1), 10)
    await admission.admit(AdmissionRequest("a", rules, 1, 10))
    await admission.publish_totals([WindowTotal(key_of_may(), 8, 2)], ["a"])
    assert await outcome(admission, AdmissionRequest("b", rules, 1, 2)) == "parallel"
    limit_status = await admission.settle("a", 1, 8)
    assert limit_status.budget is not None
    assert (limit_status.budget.spent_nanousd, limit_status.budget.held_nanousd) == (8, 0)
    assert await outcome(admission, AdmissionRequest("c", rules, 1, 2)) == "granted"


async def test_an_older_total_never_replaces_a_newer_one(admission: LocalAdmission) -> None:
    rules = scopes(Limits(), 10)
    await admission.status(rules)
    await admission.publish_totals([WindowTotal(key_of_may(), 9, 3)], [])
    await admission.publish_totals([WindowTotal(key_of_may(), 2, 2)], [])
    assert await outcome(admission, AdmissionRequest("a", rules, 1, 2)) == "budget"


async def test_a_post_that_overtakes_a_load_wins(admission: LocalAdmission, ledger: Ledger) -> None:
    rules = scopes(Limits(), 10)
    ledger.gate.clear()
    waiting = asyncio.create_task(outcome(admission, AdmissionRequest("a", rules, 1, 2)))
    await ledger.asked.wait()
    await admission.publish_totals([WindowTotal(key_of_may(), 9, 2)], [])
    ledger.gate.set()
    assert await waiting == "budget"


async def test_a_new_window_starts_empty_and_a_late_settlement_belongs_to_the_old_one(
    admission: LocalAdmission, clock: Clock
) -> None:
    rules = scopes(Limits(), 10)
    clock.instant = 1_717_200_000.0 - 1
    await admission.admit(AdmissionRequest("a", rules, 1, 10))
    clock.wait(2)
    assert await outcome(admission, AdmissionRequest("b", rules, 1, 10)) == "granted"
    await admission.settle("a", 1, 10)
    await admission.publish_totals([WindowTotal(key_of_may(), 10, 2)], ["a"])
    limit_status = await admission.status(rules)
    assert limit_status.budget is not None
    assert (limit_status.budget.spent_nanousd, limit_status.budget.held_nanousd) == (0, 10)


async def test_settling_twice_or_something_unknown_changes_nothing(admission: LocalAdmission) -> None:
    rules = scopes(Limits(), 10)
    await admission.admit(AdmissionRequest("a", rules, 1, 10))
    once = await admission.settle("a", 1, 4)
    assert await admission.settle("a", 99, 9) == once
    assert await admission.settle("unknown", 1, 9) == LimitStatus()
    assert admission.audit() == []


async def test_window_cache_is_unavailable_while_spending_is_unknown(
    admission: LocalAdmission, ledger: Ledger
) -> None:
    rules = scopes(Limits(1), 10)
    ledger.failure = OSError("database is locked")
    with pytest.raises(AdmissionUnavailable) as refused:
        await admission.admit(AdmissionRequest("a", rules, 1, 1))
    assert refused.value.__cause__ is ledger.failure
    ledger.failure = None
    assert await outcome(admission, AdmissionRequest("a", rules, 1, 1)) == "granted"


async def test_calls_without_a_budget_need_no_ledger(admission: LocalAdmission, ledger: Ledger) -> None:
    ledger.failure = OSError("database is locked")
    assert await outcome(admission, AdmissionRequest("a", scopes(Limits(5)), 1, 7)) == "granted"
    assert ledger.loads == 0


async def test_a_caller_cancelled_during_a_load_does_not_cancel_it_for_others(
    admission: LocalAdmission, ledger: Ledger
) -> None:
    rules = scopes(Limits(), 10)
    ledger.gate.clear()
    leaver = asyncio.create_task(outcome(admission, AdmissionRequest("a", rules, 1, 5)))
    stayer = asyncio.create_task(outcome(admission, AdmissionRequest("b", rules, 1, 10)))
    await ledger.asked.wait()
    leaver.cancel()
    await asyncio.wait([leaver])
    ledger.gate.set()
    assert await stayer == "granted"
    assert leaver.cancelled()
    assert ledger.loads == 1


async def test_invalidated_windows_are_loaded_again_and_holds_survive(
    admission: LocalAdmission, ledger: Ledger
) -> None:
    rules = scopes(Limits(), 10)
    await admission.admit(AdmissionRequest("a", rules, 1, 3))
    ledger.spent, ledger.version = 5, 0
    await admission.invalidate()
    assert await outcome(admission, AdmissionRequest("b", rules, 1, 3)) == "budget"
    assert await outcome(admission, AdmissionRequest("c", rules, 1, 2)) == "granted"
    assert ledger.loads == 2


async def test_a_budget_that_is_added_counts_the_calls_that_are_running(admission: LocalAdmission) -> None:
    await admission.admit(AdmissionRequest("a", scopes(), 1, 6))
    assert await outcome(admission, AdmissionRequest("b", scopes(Limits(), 10), 1, 5)) == "budget"
    assert await outcome(admission, AdmissionRequest("c", scopes(Limits(), 10), 1, 4)) == "granted"


async def test_idle_scopes_and_windows_are_evicted(admission: LocalAdmission, clock: Clock) -> None:
    for i in range(50):
        rules = (ScopeRules(f"key:{i}", Limits(5), (BudgetRule(100, "daily"),)),)
        await admission.admit(AdmissionRequest(f"r{i}", rules, 1, 1))
        await admission.settle(f"r{i}", 1, 1)
    await admission.publish_totals([], [f"r{i}" for i in range(50)])
    assert admission.sizes() == {"scopes": 50, "windows": 50, "running": 0, "settled": 0}
    clock.wait(3 * 86_400)
    await admission.renew([])
    assert admission.sizes() == {"scopes": 0, "windows": 0, "running": 0, "settled": 0}
