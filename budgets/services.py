"""Writes to limits and budgets: one function, one transaction, one audit row. Blocking."""

from __future__ import annotations

from django.db import transaction

from budgets.models import Budget, ManagedBy, RateLimit
from tenants.audit import Actor, facts_of, record
from tenants.models import ApiKey, Tenant

Owner = Tenant | ApiKey


def owner_columns(owner: Owner) -> dict[str, Owner]:
    """Return the column that names the owner of a rule."""
    return {"tenant" if isinstance(owner, Tenant) else "key": owner}


@transaction.atomic
def set_budget(
    owner: Owner, limit_nanousd: int, schedule: str, *, actor: Actor, warning_ratio: float | None = None
) -> Budget:
    """Set the limit of a tenant or a key in each window of a schedule, in place of the previous one."""
    row = Budget.objects.filter(**owner_columns(owner), schedule=schedule).first()
    before = facts_of(row) if row is not None else None
    row = row or Budget(**owner_columns(owner), schedule=schedule)
    row.limit_nanousd, row.edited = limit_nanousd, True
    row.warning_ratio = row.warning_ratio if warning_ratio is None else warning_ratio
    row.save()
    record(actor, "update" if before else "create", row, before=before, after=facts_of(row))
    return row


@transaction.atomic
def set_limits(owner: Owner, rates: dict[str, int | None], *, actor: Actor) -> RateLimit:
    """Set the rates of a tenant or a key by column name: None inherits, -1 is unlimited; others stay as they are."""
    row = RateLimit.objects.filter(**owner_columns(owner)).first()
    before = facts_of(row) if row is not None else None
    row = row or RateLimit(**owner_columns(owner), origin=ManagedBy.ADMIN)
    for name, value in rates.items():
        setattr(row, name, value)
    row.edited = True
    row.save()
    record(actor, "update" if before else "create", row, before=before, after=facts_of(row))
    return row
