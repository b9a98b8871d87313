from __future__ import annotations

import pytest

from budgets.admission.interface import (
    AdmissionRequest,
    BudgetRefused,
    BudgetRule,
    Limits,
    RateRefused,
    ScopeRules,
)
from budgets.local.admission import LocalAdmission
from tests.unit.budgets.admission_world import Clock, Ledger, outcome, scopes


async def test_a_budget_can_be_spent_to_the_last_affordable_call(admission: LocalAdmission) -> None:
    rules, served = scopes(Limits(), 100), 0
    while await outcome(admission, AdmissionRequest(f"r{served}", rules, 1, 10)) == "granted":
        await admission.settle(f"r{served}", 1, 9)
        served += 1
    assert served == 11  # after ten calls 90 are spent and a hold of 10 still fits


async def test_a_refusal_says_what_is_missing_and_changes_nothing(admission: LocalAdmission) -> None:
    rules = scopes(Limits(2, 100), 50)
    await admission.admit(AdmissionRequest("a", rules, 40, 30))
    with pytest.raises(BudgetRefused) as refused:
        await admission.admit(AdmissionRequest("b", rules, 40, 21))
    budget = refused.value.budget
    assert (budget.scope, budget.limit_nanousd, budget.spent_nanousd, budget.held_nanousd) == (
        "key:1",
        50,
        0,
        30,
    )
    assert refused.value.needed_nanousd == 21
    assert budget.resets_at == 1_717_200_000.0
    limit_status = await admission.status(rules)
    assert limit_status.rate is not None
    assert (limit_status.rate.remaining_requests, limit_status.rate.remaining_tokens) == (1, 60)
    await admission.admit(AdmissionRequest("c", rules, 40, 20))


async def test_the_tightest_budget_is_the_one_that_refuses(admission: LocalAdmission) -> None:
    rules = (
        ScopeRules("key:1", Limits(), (BudgetRule(80), BudgetRule(60, "weekly"))),
        ScopeRules("tenant:1", Limits(), (BudgetRule(70),)),
    )
    with pytest.raises(BudgetRefused) as refused:
        await admission.admit(AdmissionRequest("a", rules, 0, 90))
    assert (refused.value.budget.scope, refused.value.budget.schedule) == ("key:1", "weekly")


async def test_a_key_never_exceeds_its_tenant(admission: LocalAdmission) -> None:
    rules = (ScopeRules("key:1", Limits(10)), ScopeRules("tenant:1", Limits(1)))
    await admission.admit(AdmissionRequest("a", rules, 1, 0))
    with pytest.raises(RateRefused) as refused:
        await admission.admit(AdmissionRequest("b", rules, 1, 0))
    assert refused.value.scope == "tenant:1"
    assert refused.value.resets_in_ms == 61_000


async def test_a_call_larger_than_the_limit_is_marked_as_impossible(admission: LocalAdmission) -> None:
    with pytest.raises(RateRefused) as refused:
        await admission.admit(AdmissionRequest("a", scopes(Limits(None, 100)), 101, 0))
    assert (refused.value.rule, refused.value.remaining, refused.value.possible) == ("tokens", 100, False)


async def test_a_rate_refusal_carries_the_limit_status(admission: LocalAdmission) -> None:
    rules = scopes(Limits(1), 50)
    await admission.admit(AdmissionRequest("a", rules, 1, 10))
    with pytest.raises(RateRefused) as refused:
        await admission.admit(AdmissionRequest("b", rules, 1, 10))
    limit_status = refused.value.limit_status
    assert limit_status.rate is not None
    assert limit_status.budget is not None
    assert (limit_status.rate.limit_requests, limit_status.rate.remaining_requests) == (1, 0)
    assert limit_status.budget.held_nanousd == 10


async def test_more_tokens_than_estimated_are_charged(admission: LocalAdmission) -> None:
    rules = scopes(Limits(None, 100))
    await admission.admit(AdmissionRequest("a", rules, 10, 0))
    limit_status = await admission.settle("a", 95, 0)
    assert limit_status.rate is not None
    assert limit_status.rate.remaining_tokens == 5
    assert await outcome(admission, AdmissionRequest("b", rules, 6, 0)) == "tokens"
    assert await outcome(admission, AdmissionRequest("c", rules, 5, 0)) == "granted"


async def test_the_slot_of_a_dead_owner_expires_and_its_hold_later(
    admission: LocalAdmission, clock: Clock
) -> None:
    rules = scopes(Limits(None, None, 1), 10)
    await admission.admit(AdmissionRequest("a", rules, 1, 10))
    clock.wait(29.5)
    assert await outcome(admission, AdmissionRequest("b", rules, 1, 0)) == "parallel"
    clock.wait(0.5)
    assert await outcome(admission, AdmissionRequest("c", rules, 1, 10)) == "budget"
    clock.wait(120)
    assert await outcome(admission, AdmissionRequest("d", rules, 1, 10)) == "granted"
    assert admission.orphans == 1


async def test_a_renewed_call_keeps_its_slot_and_its_hold(admission: LocalAdmission, clock: Clock) -> None:
    rules = scopes(Limits(None, None, 1), 10)
    await admission.admit(AdmissionRequest("a", rules, 1, 10))
    for _ in range(40):
        clock.wait(10)
        await admission.renew(["a", "unknown"])
    assert await outcome(admission, AdmissionRequest("b", rules, 1, 0)) == "parallel"
    assert admission.orphans == 0


async def test_a_clock_stepped_back_neither_freezes_nor_doubles_a_limit(
    admission: LocalAdmission, clock: Clock
) -> None:
    rules = scopes(Limits(1), 10)
    await admission.admit(AdmissionRequest("a", rules, 1, 5))
    clock.instant -= 3600
    assert await outcome(admission, AdmissionRequest("b", rules, 1, 5)) == "requests"
    clock.wait(61)
    assert await outcome(admission, AdmissionRequest("c", rules, 1, 6)) == "budget"
    assert await outcome(admission, AdmissionRequest("d", rules, 1, 5)) == "granted"
    limit_status = await admission.settle("d", 1, 5)
    assert limit_status.rate is not None
    assert limit_status.rate.reset_requests_ms > 0


async def test_the_same_request_again_gets_the_first_grant(admission: LocalAdmission) -> None:
    ask = AdmissionRequest("a", scopes(Limits(1), 10), 1, 10)
    assert await admission.admit(ask) is await admission.admit(ask)


async def test_a_free_call_fits_into_an_empty_budget(admission: LocalAdmission, ledger: Ledger) -> None:
    ledger.spent = 11
    assert await outcome(admission, AdmissionRequest("a", scopes(Limits(), 10), 1, 0)) == "granted"


async def test_a_running_call_may_ask_for_more(admission: LocalAdmission) -> None:
    rules = scopes(Limits(), 10)
    await admission.admit(AdmissionRequest("a", rules, 1, 4))
    assert await admission.raise_hold("a", 10)
    assert not await admission.raise_hold("a", 11)
    assert not await admission.raise_hold("unknown", 1)
    assert await outcome(admission, AdmissionRequest("b", rules, 1, 1)) == "budget"
    assert admission.audit() == []


async def test_pages_read_every_budget_of_all_scopes_with_one_load(admission, ledger):
    ledger.spent = 40
    rules = (
        ScopeRules("tenant:1"),
        ScopeRules("key:1", Limits(), (BudgetRule(100), BudgetRule(500, "daily"))),
        ScopeRules("key:2", Limits(), (BudgetRule(70, "weekly"),)),
    )
    await admission.admit(AdmissionRequest("r1", (rules[1], rules[0]), tokens=1, hold_nanousd=25))
    loads = ledger.loads

    found = await admission.budgets(rules)

    told = [
        (each.scope, each.schedule, each.spent_nanousd, each.held_nanousd, each.room_nanousd)
        for each in found
    ]
    assert told == [
        ("key:1", "calendar_month", 40, 25, 35),
        ("key:1", "daily", 40, 25, 435),
        ("key:2", "weekly", 40, 0, 30),
    ]
    assert ledger.loads == loads + 1
    assert await admission.budgets(rules) == found
    assert ledger.loads == loads + 1
