"""Writes to tenants: each function is one transaction with one audit row. Blocking."""

from __future__ import annotations

from django.db import transaction

from tenants.audit import Actor, facts_of
from tenants.models import Tenant, TenantStatus
from tenants.services import rows


def create_tenant(name: str, *, actor: Actor) -> Tenant:
    """Create a tenant. Raises ValidationError for a name that is taken, empty or too long."""
    tenant = Tenant(name=name.strip())
    rows.save(tenant, actor=actor, is_checked=True)
    return tenant


def save_tenant(tenant: Tenant, *, actor: Actor, sets_status: bool = True) -> None:
    """Create a tenant, or change it as the row says. Raises IntegrityError.

    Without `sets_status` its status stays as it is stored: a page that was opened before a suspension does not end it.
    """
    rows.save(tenant, actor=actor, kept=() if sets_status else ("status",))


def delete_tenant(tenant: Tenant, *, actor: Actor) -> None:
    """Delete a tenant with its keys, memberships, limits and budgets. Its calls stay in the ledger."""
    rows.delete(tenant, actor=actor)


def suspend_tenant(tenant_id: int, *, actor: Actor) -> Tenant:
    """Refuse every key of a tenant until it is resumed. Raises Tenant.DoesNotExist."""
    return _set_status(tenant_id, TenantStatus.SUSPENDED, "suspend", actor)


def resume_tenant(tenant_id: int, *, actor: Actor) -> Tenant:
    """Admit a suspended tenant's keys again. Raises Tenant.DoesNotExist."""
    return _set_status(tenant_id, TenantStatus.ACTIVE, "resume", actor)


@transaction.atomic
def _set_status(tenant_id: int, status: TenantStatus, action: str, actor: Actor) -> Tenant:
    tenant = rows.locked(Tenant, tenant_id)
    before = facts_of(tenant)
    tenant.status = status
    rows.write(tenant, action, actor=actor, before=before, fields=["status"])
    return tenant
