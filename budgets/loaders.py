"""Reads every limit and budget into a Rulebook. Blocking: two queries."""

from __future__ import annotations

from collections import defaultdict

from budgets.admission.interface import BudgetRule, Limits
from budgets.models import Budget, RateLimit
from budgets.rules import LimitOverride, Rulebook
from gateway.config import Config
from gateway.values.limits import UNLIMITED


def load_rulebook(config: Config, version: int) -> Rulebook:
    """Return the rules in force: the configuration's defaults and what tenants and keys set themselves."""
    rates = config.rate_limits
    return Rulebook(
        version=version,
        tenant_limits=_default(config, rates.default_parallel_requests_tenant),
        key_limits=_default(config, rates.default_parallel_requests_key),
        tenant_budget=_default_budget(config),
        reporting_timezone=config.reporting.timezone,
        limits={row.scope: _override(row) for row in RateLimit.objects.all()},
        budgets=_budgets(),
    )


def _default(config: Config, parallel: int) -> Limits:
    rates = config.rate_limits
    return Limits(
        _or_none(rates.default_requests_per_minute),
        _or_none(rates.default_tokens_per_minute),
        _or_none(parallel),
    )


def _or_none(limit: int) -> int | None:
    return None if limit == UNLIMITED else limit


def _default_budget(config: Config) -> BudgetRule | None:
    limit = config.budgets.default_nanousd
    if limit is None:
        return None
    return BudgetRule(
        limit,
        config.budgets.refresh_schedule,
        config.reporting.timezone,
        config.budgets.warning_threshold_perc,
        config.budgets.on_insufficient == "clamp",
    )


def _override(row: RateLimit) -> LimitOverride:
    return LimitOverride(row.requests_per_minute, row.tokens_per_minute, row.parallel_requests)


def _budgets() -> dict[str, tuple[BudgetRule, ...]]:
    found: dict[str, list[BudgetRule]] = defaultdict(list)
    for row in Budget.objects.order_by("pk"):
        rule = BudgetRule(
            row.limit_nanousd,
            row.schedule,
            warning_ratio=row.warning_ratio,
            clamp=row.on_insufficient == "clamp",
        )
        found[row.scope].append(rule)
    return {scope: tuple(rules) for scope, rules in found.items()}
