"""What of each budget is spent, held and left now, for pages: one read of admission for each tenant on the page.

The numbers are those of admission, so that a page shows what the next call would get. Where no calls are served (a
shell, a test), or the counters cannot be read, they are those of the ledger, in one query; `held` is then unknown.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
from asgiref.sync import async_to_sync
from django.conf import settings
from django.db.models import Q

from budgets.admission.budget_windows import window
from budgets.admission.interface import Admission, AdmissionUnavailable, BudgetRule, Limits, ScopeRules
from budgets.models import Budget, SpendWindow
from budgets.serving import admission
from gateway.values.fallback_log import FALLBACKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenants.models import Tenant

PATIENCE_S = 1.0


class Spending(msgspec.Struct, frozen=True, kw_only=True):
    """Nano-USD. None: unknown, because this window was not counted yet or the counters cannot be read."""

    limit: int
    spent: int | None = None
    held: int | None = None
    unsettled: int = 0
    resets_at: datetime | None = None

    @property
    def left(self) -> int | None:
        """What new calls may take."""
        if self.spent is None:
            return None
        return max(0, self.limit - self.spent - self.unsettled - (self.held or 0))

    @property
    def share(self) -> float | None:
        """The used share of the limit, from 0 up."""
        return None if self.spent is None else (self.spent + self.unsettled) / self.limit


def spending_of(budgets: Sequence[Budget], now: float | None = None) -> list[Spending]:
    """Return the spending of each budget, in order. Their tenants and keys should be selected with them."""
    if budgets and (deciding := admission()) is not None:
        try:
            return async_to_sync(_asked)(budgets, deciding)
        except (AdmissionUnavailable, TimeoutError) as away:
            FALLBACKS.note("spending_on_pages", away)
    return _read(budgets, time.time() if now is None else now)


def default_budget(tenant: Tenant) -> Budget | None:
    """Return the configured budget of a tenant that has none of its own; it is in no table."""
    config = settings.GATEWAY.budgets
    if config.default_nanousd is None:
        return None
    return Budget(
        tenant=tenant,
        limit_nanousd=config.default_nanousd,
        schedule=config.refresh_schedule,
        warning_ratio=config.warning_threshold_perc,
    )


def tenant_id_of(budget: Budget) -> int:
    """Return the tenant that pays."""
    if budget.tenant_id is not None:
        return budget.tenant_id
    assert budget.key is not None  # noqa: S101 - a constraint ensures one of both
    return budget.key.tenant_id


def timezone_of(budget: Budget) -> str:
    """Return the time zone of its days: the tenant's, or that of the reports."""
    tenant = budget.tenant if budget.key is None else budget.key.tenant
    return (tenant.timezone if tenant is not None else "") or settings.GATEWAY.reporting.timezone


def _rule(budget: Budget) -> BudgetRule:
    return BudgetRule(budget.limit_nanousd, budget.schedule, timezone_of(budget), budget.warning_ratio)


async def _asked(budgets: Sequence[Budget], deciding: Admission) -> list[Spending]:
    """Ask admission once; with Redis once for each tenant, because it has all of a tenant in one hash slot."""
    groups: dict[int, list[int]] = defaultdict(list)
    for place, budget in enumerate(budgets):
        groups[0 if settings.GATEWAY.embedded else tenant_id_of(budget)].append(place)
    async with asyncio.timeout(PATIENCE_S):
        asked = [_asked_for([budgets[place] for place in places], deciding) for places in groups.values()]
        answers = await asyncio.gather(*asked)
    found: dict[int, Spending] = {}
    for places, spendings in zip(groups.values(), answers, strict=True):
        found |= zip(places, spendings, strict=True)
    return [found[place] for place in range(len(budgets))]


async def _asked_for(rows: Sequence[Budget], admission: Admission) -> list[Spending]:
    scopes = [ScopeRules(row.scope, Limits(), (_rule(row),)) for row in rows]
    # The tenant comes first, without rules: it names the hash slot in which its keys are counted.
    statuses = await admission.budgets([ScopeRules(f"tenant:{tenant_id_of(rows[0])}"), *scopes])
    return [
        Spending(
            limit=row.limit_nanousd,
            spent=status.spent_nanousd,
            held=status.held_nanousd,
            unsettled=status.unsettled_nanousd,
            resets_at=datetime.fromtimestamp(status.resets_at, UTC),
        )
        for row, status in zip(rows, statuses, strict=True)
    ]


def _read(budgets: Sequence[Budget], instant: float) -> list[Spending]:
    wanted, spans = Q(pk__in=[]), []
    for row in budgets:
        span = window(row.schedule, timezone_of(row), instant)
        start = datetime.fromtimestamp(span.start, UTC)
        wanted |= Q(scope=row.scope, schedule=row.schedule, timezone=timezone_of(row), start=start)
        spans.append(span)
    found = SpendWindow.objects.filter(wanted) if budgets else ()
    rows = {(row.scope, row.schedule): row for row in found}
    return [
        _of_row(row, rows.get((row.scope, row.schedule)), span.returns)
        for row, span in zip(budgets, spans, strict=True)
    ]


def _of_row(budget: Budget, row: SpendWindow | None, returns: float) -> Spending:
    resets_at = datetime.fromtimestamp(returns, UTC)
    if row is None:
        return Spending(limit=budget.limit_nanousd, resets_at=resets_at)
    return Spending(
        limit=budget.limit_nanousd,
        spent=row.spent_nanousd - row.unsettled_nanousd,
        unsettled=row.unsettled_nanousd,
        resets_at=resets_at,
    )
