"""The message of a refusal by a budget or a rate limit, and its figures for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from budgets.schedule_labels import current
from gateway.values.money import usd
from gateway.values.quantities import seconds
from gateway.values.timestamps import rfc3339

if TYPE_CHECKING:
    from budgets.admission.interface import BudgetRefused, RateRefused


def figures_of_budget(error: BudgetRefused) -> dict[str, Any]:
    budget = error.budget
    facts: dict[str, Any] = {"scope": budget.scope.partition(":")[0], "schedule": budget.schedule}
    for name, nanousd in {
        "limit": budget.limit_nanousd,
        "spent": budget.spent_nanousd,
        "held": budget.held_nanousd,
        "unsettled": budget.unsettled_nanousd,
        "needed": error.needed_nanousd,
        "resets": budget.resets_nanousd,
    }.items():
        facts[f"{name}_usd"], facts[f"{name}_nanousd"] = usd(nanousd), nanousd
    return {"budget": {**facts, "resets_at": rfc3339(budget.resets_at)}}


def words_of_budget(error: BudgetRefused) -> str:
    budget, left = error.budget, error.budget.unsettled_nanousd
    unknown = f", of ended calls whose usage is unknown ${usd(left)}" if left else ""
    return (
        f"This call could cost up to ${usd(error.needed_nanousd)}, which does not fit into {current(budget.schedule)} "
        f"of this {budget.scope.partition(':')[0]}: limit ${usd(budget.limit_nanousd)}, "
        f"spent ${usd(budget.spent_nanousd)}, held by running calls ${usd(budget.held_nanousd)}{unknown}. "
        f"${usd(budget.resets_nanousd)} of it come back at {rfc3339(budget.resets_at)}."
    )


def figures_of_limit(error: RateRefused) -> dict[str, Any]:
    return {
        "limit": {
            "scope": error.scope.partition(":")[0],
            "rule": error.rule,
            "limit": error.limit,
            "remaining": error.remaining,
            "resets_in_ms": error.resets_in_ms,
        }
    }


def words_of_limit(error: RateRefused) -> str:
    what = {"requests": "requests per minute", "tokens": "tokens per minute", "parallel": "parallel requests"}
    wait, verb = seconds(error.resets_in_ms / 1000), "remains" if error.remaining == 1 else "remain"
    advice = f"Try again in {wait}." if error.possible else "This call alone needs more."
    allowed = f"This {error.scope.partition(':')[0]} may use {error.limit:,} {what[error.rule]}"
    return f"{allowed}; {error.remaining:,} {verb}. {advice}"
