"""Every limit and budget in force, as one immutable value, replaced on a change; and which rules bind a caller.

Defaults -> the scope's own override, field by field; the two scopes are then checked independently by admission.
"""

from __future__ import annotations

import msgspec

from budgets.admission.interface import BudgetRule, Limits, ScopeRules
from gateway.values.limits import UNLIMITED
from tenants.caller import Caller


class LimitOverride(msgspec.Struct, frozen=True):
    """Limits that a scope sets itself: None inherits, UNLIMITED removes the limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    parallel_requests: int | None = None


class Rulebook(msgspec.Struct, frozen=True, kw_only=True):
    """Rules by scope ("tenant:3", "key:7"). `tenant_budget` binds every tenant that has no budget of its own."""

    version: int = 0
    tenant_limits: Limits = Limits()
    key_limits: Limits = Limits()
    tenant_budget: BudgetRule | None = None
    reporting_timezone: str = "UTC"
    limits: dict[str, LimitOverride] = {}
    budgets: dict[str, tuple[BudgetRule, ...]] = {}
    memo: dict[tuple[int, int, str], tuple[ScopeRules, ...]] = {}  # cache of this value; filled by rules_for


def rules_for(book: Rulebook, caller: Caller) -> tuple[ScopeRules, ...]:
    """Return the key's and the tenant's rules. A dictionary lookup after the first time."""
    memo_key = (caller.tenant_id, caller.key_id, caller.timezone)
    rules = book.memo.get(memo_key)
    if rules is None:
        tenant = _scope(book, caller.tenant_scope, book.tenant_limits, book.tenant_budget, caller.timezone)
        key = _scope(book, caller.key_scope, book.key_limits, None, caller.timezone)
        rules = book.memo[memo_key] = (key, tenant)
    return rules


def _scope(
    book: Rulebook, scope: str, default: Limits, default_budget: BudgetRule | None, timezone: str
) -> ScopeRules:
    budgets = book.budgets.get(scope, () if default_budget is None else (default_budget,))
    zone = timezone or book.reporting_timezone
    budgets = tuple(msgspec.structs.replace(budget, timezone=zone) for budget in budgets)
    return ScopeRules(scope, merge(default, book.limits.get(scope)), budgets)


def merge(default: Limits, override: LimitOverride | None) -> Limits:
    """Return the default with the override's fields in place of its own."""
    if override is None:
        return default
    return Limits(
        _pick(default.requests_per_minute, override.requests_per_minute),
        _pick(default.tokens_per_minute, override.tokens_per_minute),
        _pick(default.parallel_requests, override.parallel_requests),
    )


def _pick(default: int | None, own: int | None) -> int | None:
    if own == UNLIMITED:
        return None
    return own or default
