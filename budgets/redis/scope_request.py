"""Packs the scopes of a call as arguments of the scripts. Pure; a few microseconds a call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from budgets.admission.budget_windows import Window, window
from budgets.admission.interface import BudgetRule, ScopeRules, WindowKey
from budgets.redis.rows import UNLIMITED, RollingWindowRow, ScopeRow, WindowRow, window_name


class BudgetBinding(msgspec.Struct, frozen=True):
    """A budget that binds a call, and its window at the call's instant."""

    rule: BudgetRule
    key: WindowKey
    span: Window

    @property
    def name(self) -> str:
        return window_name(self.key)


class ScopeRequest(msgspec.Struct, frozen=True):
    """Scopes as the scripts take them, and the budgets in the order in which the reply lists them."""

    tag: str
    scopes: tuple[ScopeRules, ...]
    bounds: tuple[BudgetBinding, ...]
    packed: list[ScopeRow]

    def is_of_another_day(self, instant: float) -> bool:
        """Return whether a rolling window binds it by now that it was not granted in."""
        spans = (bound.span for bound in self.bounds)
        return any(span.since > span.start and instant >= span.end for span in spans)


def scope_request(scopes: Sequence[ScopeRules], instant: float) -> ScopeRequest:
    """Return the request with the windows of this instant. Raises UnknownSchedule."""
    bounds, packed = [], []
    for rules in scopes:
        windows: list[WindowRow] = []
        for rule in rules.budgets:
            span = window(rule.schedule, rule.timezone, instant)
            bound = BudgetBinding(
                rule, WindowKey(rules.scope, rule.schedule, rule.timezone, span.start), span
            )
            bounds.append(bound)
            name, limit = bound.name, rule.limit_nanousd
            if span.since == span.start:
                windows.append(WindowRow(name, span.start, span.end, limit))
            else:
                windows.append(RollingWindowRow(name, span.start, span.end, limit, span.since))
        packed.append(_scope_row(rules, windows))
    return ScopeRequest(tag_of(scopes), tuple(scopes), tuple(bounds), packed)


def _scope_row(rules: ScopeRules, windows: list[WindowRow]) -> ScopeRow:
    limits = rules.limits
    rates = (limits.requests_per_minute, limits.tokens_per_minute, limits.parallel_requests)
    requests, tokens, parallel = [UNLIMITED if rate is None else rate for rate in rates]
    return ScopeRow(rules.scope, requests, tokens, parallel, windows)


def tag_of(scopes: Sequence[ScopeRules]) -> str:
    """Return the tenant's hash tag; all keys of one decision are in its hash slot."""
    for rules in scopes:
        if rules.kind == "tenant":
            return tenant_tag(rules.scope)
    return scopes[0].scope


def tenant_tag(scope: str) -> str:
    return "t" + scope.partition(":")[2]


def batches(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
