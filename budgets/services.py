"""Writes to limits and budgets: one function, one transaction, one audit row. Blocking.

A row follows the configuration file until an administrator changes it: from then on the file no longer decides.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction

from budgets.models import Budget, ManagedBy, RateLimit
from tenants.audit import Actor
from tenants.config_version import bump_version
from tenants.models import ApiKey, Tenant
from tenants.services import rows

Owner = Tenant | ApiKey
Rule = RateLimit | Budget
OF_FILE: dict[str, Any] = {
    "origin": ManagedBy.FILE,
    "edited": False,
}  # columns of a row that follows the file


def owner_columns(owner: Owner) -> dict[str, Owner]:
    """Return the column that names the owner of a rule."""
    return {"tenant" if isinstance(owner, Tenant) else "key": owner}


def save_rule(rule: Rule, *, actor: Actor) -> None:
    """Create or change limits or a budget as an administrator. Raises IntegrityError."""
    rule.edited = True
    rows.save(rule, actor=actor)


def save_rule_of_file(rule: Rule, *, actor: Actor) -> None:
    """Create or change limits or a budget as the file has them; it decides from now on. Raises IntegrityError."""
    for name, value in OF_FILE.items():
        setattr(rule, name, value)
    rows.save(rule, actor=actor)


def delete_rule(rule: Rule, *, actor: Actor) -> None:
    """Delete limits or a budget. Bootstrap remembers what it created, and does not restore it."""
    rows.delete(rule, actor=actor)


@transaction.atomic
def set_budget(
    owner: Owner, limit_nanousd: int, schedule: str, *, actor: Actor, warning_ratio: float | None = None
) -> Budget:
    """Set the limit of a tenant or a key in each window of a schedule, in place of the previous one."""
    bump_version()  # before the row is read: of two writers the second one sees what the first one wrote
    row = Budget.objects.filter(**owner_columns(owner), schedule=schedule).first()
    row = row or Budget(**owner_columns(owner), schedule=schedule)
    row.limit_nanousd = limit_nanousd
    row.warning_ratio = row.warning_ratio if warning_ratio is None else warning_ratio
    save_rule(row, actor=actor)
    return row


@transaction.atomic
def set_limits(owner: Owner, rates: dict[str, int | None], *, actor: Actor) -> RateLimit:
    """Set the rates of a tenant or a key by column name: None inherits, -1 is unlimited; others stay as they are."""
    bump_version()  # before the row is read
    row = RateLimit.objects.filter(**owner_columns(owner)).first()
    row = row or RateLimit(**owner_columns(owner), origin=ManagedBy.ADMIN)
    for name, value in rates.items():
        setattr(row, name, value)
    save_rule(row, actor=actor)
    return row
