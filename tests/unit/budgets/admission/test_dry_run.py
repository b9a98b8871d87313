"""A dry run returns what admission would return, after any requests, and changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgets.admission.dry_run import DryRunAdmission
from budgets.admission.interface import (
    Admission,
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

NOON = 1_784_894_400.0


async def nothing_spent(keys: Sequence[WindowKey]) -> list[WindowTotal]:
    return [WindowTotal(key, 0, 0) for key in keys]


def admission() -> LocalAdmission:
    return LocalAdmission(nothing_spent, lambda: NOON, steady=lambda: 1_000.0)


async def verdict(gate: Admission | DryRunAdmission, ask: AdmissionRequest) -> tuple[object, ...]:
    """Return what of an answer a client can see, without the wait: a dry run has the longest."""
    try:
        await gate.admit(ask)
    except RateRefused as refusal:
        return (refusal.scope, refusal.rule, refusal.limit, refusal.remaining, refusal.possible)
    except BudgetRefused as refusal:
        return (refusal.budget, refusal.needed_nanousd)
    return ("granted",)


few = st.none() | st.integers(1, 4)
limits = st.builds(Limits, few, st.none() | st.integers(1, 60), few)
budgets = st.lists(
    st.builds(BudgetRule, st.integers(1, 60), st.sampled_from(["daily", "weekly"])), max_size=2
).map(tuple)
rules = st.tuples(
    st.builds(ScopeRules, st.just("key:7"), limits, budgets),
    st.builds(ScopeRules, st.just("tenant:3"), limits, budgets),
)
calls = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 30)), min_size=1, max_size=8)


@settings(max_examples=150, deadline=None)
@given(scopes=rules, asked=calls)
def test_dry_run_agrees_with_admission(scopes: tuple[ScopeRules, ...], asked: list[tuple[int, int]]) -> None:
    asyncio.run(_agree(scopes, asked))


def _all(real: LocalAdmission, _: str) -> int:
    return real.sizes()["running"]


async def _agree(scopes: tuple[ScopeRules, ...], asked: list[tuple[int, int]]) -> None:
    real = admission()
    for number, (tokens, hold) in enumerate(asked):
        ask = AdmissionRequest(f"r{number}", scopes, tokens, hold)
        before = await real.status(scopes)
        said = await verdict(DryRunAdmission(real, partial(_all, real), lambda: NOON), ask)
        assert await real.status(scopes) == before
        assert said == await verdict(real, ask)


async def test_dry_run_says_how_many_calls_like_this_one_are_left() -> None:
    scopes = (ScopeRules("key:7", Limits(60, 1_000, 5), (BudgetRule(100),)),)
    dry_run = DryRunAdmission(admission(), lambda _: 2, lambda: NOON)
    await dry_run.admit(AdmissionRequest("r1", scopes, 300, 30))
    assert [(look.rule, look.calls_left) for look in dry_run.rates()] == [
        ("parallel", 3),
        ("requests", 60),
        ("tokens", 3),
    ]
    assert [look.calls_left for look in dry_run.budgets()] == [3]


async def test_a_call_that_costs_nothing_is_bound_by_no_budget() -> None:
    scopes = (ScopeRules("key:7", Limits(), (BudgetRule(100),)),)
    dry_run = DryRunAdmission(admission(), lambda _: 0, lambda: NOON)
    await dry_run.admit(AdmissionRequest("r1", scopes, 300, 0))
    assert [look.calls_left for look in dry_run.budgets()] == [None]


async def test_dry_run_asks_twice_and_decides_from_one_snapshot() -> None:
    real = admission()
    scopes = (ScopeRules("key:7", Limits(), (BudgetRule(100),)),)
    dry_run = DryRunAdmission(real, lambda _: 0, lambda: NOON)
    with pytest.raises(BudgetRefused):
        await dry_run.admit(AdmissionRequest("r1", scopes, 1, 101))
    await real.admit(AdmissionRequest("r2", scopes, 1, 100))
    assert (await dry_run.admit(AdmissionRequest("r1", scopes, 1, 100))).limit_status.budget is not None
