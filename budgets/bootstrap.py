"""The bootstrap section's limits and budgets: rows follow the file until an administrator edits or deletes them."""

from __future__ import annotations

from typing import Any

from budgets.models import Budget, ManagedBy, RateLimit
from budgets.schedule_labels import named
from budgets.services import OF_FILE, Owner, delete_rule, owner_columns, save_rule_of_file
from gateway.config import Config
from gateway.config.sections.bootstrap import BootstrapKey, TenantBudget
from gateway.config.sections.limits import Limits
from gateway.values.limits import RATES
from tenants.bootstrap import BootstrapState, apply_columns, find_key, name_of
from tenants.models import Tenant

Wanted = dict[str, dict[str, Any]]  # columns of a budget by its schedule


def bootstrap_money(config: Config, ledger: BootstrapState) -> None:
    """Apply tenant_limits, tenant_budgets, and both of keys. In the caller's transaction."""
    section = config.bootstrap
    limits = {row.tenant: row.limits for row in section.tenant_limits}
    budgets: dict[str, Wanted] = {}
    for row in section.tenant_budgets:
        columns = _tenant_budget(config, row)
        budgets.setdefault(row.tenant, {})[columns["schedule"]] = columns
    named = {row.name for row in section.tenants} | limits.keys() | budgets.keys()
    for tenant in Tenant.objects.filter(name__in=named).order_by("pk"):
        owner_name = f"tenant:{tenant.name}"
        _follow_limits(tenant, owner_name, limits.get(tenant.name), ledger)
        _follow_budgets(tenant, owner_name, budgets.get(tenant.name, {}), ledger)
    for key in section.api_keys:
        found = find_key(key)
        if found is not None:
            owner_name = f"key:{name_of(key)}"
            _follow_limits(found, owner_name, key.rate_limit, ledger)
            _follow_budgets(found, owner_name, _key_budget(config, key), ledger)


def _follow_limits(owner: Owner, owner_name: str, limits: Limits | None, ledger: BootstrapState) -> None:
    columns = {rate: getattr(limits, rate) for rate in RATES} if limits is not None else {}
    is_wanted = any(value is not None for value in columns.values())
    row = RateLimit.objects.filter(**owner_columns(owner)).first()
    if row is not None:
        _follow(row, "rate_limit", owner_name, columns if is_wanted else None, ledger)
    elif is_wanted and ledger.may_create("rate_limit", owner_name):
        save_rule_of_file(RateLimit(**owner_columns(owner), **columns), actor=ledger.actor)
        ledger.report(f"Created the limits of {_named(owner)}.")


def _follow_budgets(owner: Owner, owner_name: str, wanted: Wanted, ledger: BootstrapState) -> None:
    rows = {row.schedule: row for row in Budget.objects.filter(**owner_columns(owner))}
    for schedule, row in rows.items():
        _follow(row, "budget", f"{owner_name}:{schedule}", wanted.get(schedule), ledger)
    for schedule in wanted.keys() - rows.keys():
        if ledger.may_create("budget", f"{owner_name}:{schedule}"):
            save_rule_of_file(Budget(**owner_columns(owner), **wanted[schedule]), actor=ledger.actor)
            ledger.report(f"Created the {named(schedule)} of {_named(owner)}.")


def _follow(
    row: RateLimit | Budget, resource: str, name: str, columns: dict[str, Any] | None, ledger: BootstrapState
) -> None:
    """Update a row from the file if it still belongs to it; delete one that the file no longer has."""
    is_the_files = row.origin == ManagedBy.FILE and not row.edited
    if columns is not None:
        ledger.remember(resource, name)
        if ledger.update or is_the_files:
            apply_columns(row, {**columns, **OF_FILE}, ledger, save_rule_of_file, _words(resource, name))
    elif is_the_files:
        ledger.forget(resource, name)
        delete_rule(row, actor=ledger.actor)
        ledger.report(f"Removed {_words(resource, name)}: the file no longer has it.")


def _words(resource: str, name: str) -> str:
    """Return a recorded name in words: `tenant:acme` and `key:app`, for a budget followed by its schedule."""
    kind, _, rest = name.partition(":")
    owner_name, _, schedule = rest.rpartition(":") if resource == "budget" else (rest, "", "")
    return (
        f"the {named(schedule)} of the {kind} {owner_name}"
        if schedule
        else f"the limits of the {kind} {rest}"
    )


def _named(owner: Owner) -> str:
    return f"the tenant {owner}" if isinstance(owner, Tenant) else f"the key {owner}"


def _tenant_budget(config: Config, row: TenantBudget) -> dict[str, Any]:
    defaults = config.budgets
    cooldown = defaults.alert.cooldown if row.alert_cooldown is None else row.alert_cooldown
    return {
        "limit_nanousd": row.limit_nanousd,
        "schedule": row.refresh_schedule or defaults.refresh_schedule,
        "warning_ratio": row.warning_threshold or defaults.warning_threshold_perc,
        "on_insufficient": row.on_insufficient or defaults.on_insufficient,
        "alert_emails": list(row.alert_emails),
        "alert_webhooks": list(row.alert_webhooks),
        "alert_cooldown_s": round(cooldown),
    }


def _key_budget(config: Config, key: BootstrapKey) -> Wanted:
    if key.limit_nanousd is None:
        return {}
    defaults = config.budgets
    schedule = key.budget_schedule or defaults.refresh_schedule
    columns = {
        "limit_nanousd": key.limit_nanousd,
        "schedule": schedule,
        "warning_ratio": key.warning_threshold or defaults.warning_threshold_perc,
        "on_insufficient": defaults.on_insufficient,
    }
    return {schedule: columns}
