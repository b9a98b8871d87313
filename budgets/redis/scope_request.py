"""Packs the scopes of a call as arguments of the scripts. Pure; a few microseconds a call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from budgets.admission.budget_windows import Window, window, window_from
from budgets.admission.interface import (
    BudgetRule,
    ScopeRules,
    WindowKey,
    WindowTotal,
)


class BudgetBinding(msgspec.Struct, frozen=True):
    """A budget that binds a call, and its window at the call's instant."""

    rule: BudgetRule
    key: WindowKey
    span: Window

    @property
    def name(self) -> str:
        return window_name(self.key)


def window_name(key: WindowKey) -> str:
    return f"{key.schedule}|{key.timezone}|{key.start:.0f}"


class ScopeRequest(msgspec.Struct, frozen=True):
    """Scopes as the scripts take them, and the budgets in the order in which the reply lists them."""

    tag: str
    scopes: tuple[ScopeRules, ...]
    bounds: tuple[BudgetBinding, ...]
    packed: list[Any]

    def is_of_another_day(self, instant: float) -> bool:
        """Return whether a rolling window binds it by now that it was not granted in."""
        spans = (bound.span for bound in self.bounds)
        return any(span.since > span.start and instant >= span.end for span in spans)


def scope_request(scopes: Sequence[ScopeRules], instant: float) -> ScopeRequest:
    """Return the request with the windows of this instant. Raises UnknownSchedule."""
    bounds, packed = [], []
    for rules in scopes:
        windows = []
        for rule in rules.budgets:
            span = window(rule.schedule, rule.timezone, instant)
            bound = BudgetBinding(
                rule, WindowKey(rules.scope, rule.schedule, rule.timezone, span.start), span
            )
            bounds.append(bound)
            packed_window = [bound.name, span.start, span.end, rule.limit_nanousd]
            windows.append(packed_window if span.since == span.start else [*packed_window, span.since])
        limits = rules.limits
        rates = (limits.requests_per_minute, limits.tokens_per_minute, limits.parallel_requests)
        packed.append([rules.scope, *(-1 if rate is None else rate for rate in rates), windows])
    return ScopeRequest(tag_of(scopes), tuple(scopes), tuple(bounds), packed)


def tag_of(scopes: Sequence[ScopeRules]) -> str:
    """Return the tenant's hash tag; all keys of one decision are in its hash slot."""
    for rules in scopes:
        if rules.kind == "tenant":
            return tenant_tag(rules.scope)
    return scopes[0].scope


def tenant_tag(scope: str) -> str:
    return "t" + scope.partition(":")[2]


def packed_post(post: WindowTotal) -> list[Any]:
    key, added = post.window, post.added_nanousd
    end = window_from(key.schedule, key.timezone, key.start).end
    own = -1 if added is None else added
    total = [post.spent_nanousd, post.version, own, post.unsettled_nanousd]
    packed = [key.scope, window_name(key), key.start, end, *total]
    returns = post.returns
    return packed if returns is None else [*packed, returns.at, returns.nanousd, returns.version]


def batches(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
