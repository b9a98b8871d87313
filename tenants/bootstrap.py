"""The bootstrap section's people, tenants and keys: created when missing, never undoing an administrator's edit.

What bootstrap has created once is remembered (BootstrapItem): if it is missing, it was deleted, and it stays deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import Model

from gateway.config import Config
from gateway.config.sections.bootstrap import (
    BootstrapKey,
    BootstrapMembership,
    BootstrapTenant,
    BootstrapUser,
)
from tenants.audit import Actor
from tenants.models import ApiKey, BootstrapItem, Membership, Tenant, User
from tenants.services import (
    NewKey,
    NewPerson,
    create_key,
    create_person,
    save_key_of_file,
    save_membership,
    save_person,
    save_tenant,
    secret_columns,
)

BY_ITSELF = Actor("bootstrap")  # the startup of a gateway
Save = Callable[..., object]  # a service: `save(row, actor=…)` writes a row as it is, with its audit row


class BootstrapState:
    """What bootstrap has created before, and its messages of this run. `update` ignores the past."""

    def __init__(self, *, update: bool, actor: Actor = BY_ITSELF) -> None:
        self.update, self.actor = update, actor
        self.messages: list[str] = []
        self._known = set(BootstrapItem.objects.values_list("resource", "name"))
        self._new: set[tuple[str, str]] = set()

    def may_create(self, resource: str, name: str) -> bool:
        """Return whether a missing item must be created; remembers it from now on."""
        is_known = (resource, name) in self._known
        self.remember(resource, name)
        return self.update or not is_known

    def remember(self, resource: str, name: str) -> None:
        if (resource, name) not in self._known:
            self._new.add((resource, name))

    def forget(self, resource: str, name: str) -> None:
        self._known.discard((resource, name))
        BootstrapItem.objects.filter(resource=resource, name=name).delete()

    def report(self, message: str) -> None:
        self.messages.append(message)

    def save(self) -> None:
        items = [BootstrapItem(resource=resource, name=name) for resource, name in sorted(self._new)]
        BootstrapItem.objects.bulk_create(items, ignore_conflicts=True)


def apply_columns(
    row: Model, columns: dict[str, Any], ledger: BootstrapState, save: Save, what: str = ""
) -> bool:
    """Write the columns that differ, by the service `save`; return whether any did. `what` describes the row."""
    different = [name for name, value in columns.items() if getattr(row, name) != value]
    if not different:
        return False
    for name in different:
        setattr(row, name, columns[name])
    save(row, actor=ledger.actor)
    ledger.report(f"Updated {what or row}.")
    return True


def bootstrap_people(config: Config, ledger: BootstrapState, pepper: bytes) -> None:
    """Create tenants, people, memberships and keys, in this order. In the caller's transaction."""
    section = config.bootstrap
    for tenant in section.tenants:
        _tenant(tenant, ledger)
    for person in section.admin_users:
        _person(person, ledger)
    tenants = {row.name: row for row in Tenant.objects.filter(name__in=_tenants_named(config))}
    for member in section.memberships:
        _membership(member, tenants, ledger)
    for key in section.api_keys:
        if key.tenant in tenants:
            _key(key, tenants[key.tenant], ledger, pepper)
        else:
            ledger.report(f"Skipped the key {name_of(key)}: there is no tenant {key.tenant}.")


def name_of(key: BootstrapKey) -> str:
    """Return the name by which a key of the file is recognized."""
    return key.prefix or f"{key.tenant}/{key.name}"


def find_key(key: BootstrapKey) -> ApiKey | None:
    """Return the stored key that a key of the file denotes."""
    if key.prefix:
        return ApiKey.objects.filter(prefix=key.prefix).first()
    return ApiKey.objects.filter(tenant__name=key.tenant, name=key.name).order_by("pk").first()


def _tenants_named(config: Config) -> Iterable[str]:
    section = config.bootstrap
    return {row.tenant for rows in (section.memberships, section.api_keys) for row in rows}


def _tenant(wanted: BootstrapTenant, ledger: BootstrapState) -> None:
    columns = {
        "status": wanted.status,
        "timezone": wanted.timezone,
        "models": None if wanted.models is None else list(wanted.models),
        "stores_answers": wanted.stores_answers,
    }
    row = Tenant.objects.filter(name=wanted.name).first()
    if row is not None:
        ledger.remember("tenant", wanted.name)
        if ledger.update:
            apply_columns(row, columns, ledger, save_tenant)
    elif ledger.may_create("tenant", wanted.name):
        save_tenant(Tenant(name=wanted.name, **columns), actor=ledger.actor)
        ledger.report(f"Created the tenant {wanted.name}.")


def _person(wanted: BootstrapUser, ledger: BootstrapState) -> None:
    columns = {"is_superuser": wanted.is_super_admin, "is_staff": wanted.is_super_admin}
    row = User.objects.filter(email=wanted.email).first()
    if row is not None:
        ledger.remember("user", wanted.email)
        if ledger.update:  # never the password: `manage.py changepassword` replaces a forgotten one
            apply_columns(row, {**columns, "name": wanted.name or row.name}, ledger, save_person)
    elif ledger.may_create("user", wanted.email):
        new = NewPerson(
            email=wanted.email,
            name=wanted.name,
            password=wanted.password,
            is_super_admin=wanted.is_super_admin,
        )
        create_person(new, actor=ledger.actor)
        ledger.report(f"Created the user {wanted.email}.")


def _membership(wanted: BootstrapMembership, tenants: dict[str, Tenant], ledger: BootstrapState) -> None:
    name = f"{wanted.email} in {wanted.tenant}"
    tenant, person = tenants.get(wanted.tenant), User.objects.filter(email=wanted.email).first()
    if tenant is None or person is None:
        missing = f"tenant {wanted.tenant}" if tenant is None else f"person {wanted.email}"
        ledger.report(f"Skipped the membership of {name}: there is no {missing}.")
        return
    row = Membership.objects.filter(tenant=tenant, user=person).first()
    if row is not None:
        ledger.remember("membership", name)
        if ledger.update:
            apply_columns(row, {"role": wanted.role}, ledger, save_membership)
    elif ledger.may_create("membership", name):
        save_membership(Membership(tenant=tenant, user=person, role=wanted.role), actor=ledger.actor)
        ledger.report(f"Created the membership of {wanted.email} in {wanted.tenant} as {wanted.role}.")


def _key(wanted: BootstrapKey, tenant: Tenant, ledger: BootstrapState, pepper: bytes) -> None:
    row = find_key(wanted)
    if row is not None:
        ledger.remember("api_key", name_of(wanted))
        if ledger.update:
            apply_columns(row, _key_columns(wanted, tenant, row, pepper), ledger, save_key_of_file)
    elif ledger.may_create("api_key", name_of(wanted)):
        new = NewKey(
            name=wanted.name or wanted.prefix,
            prefix=wanted.prefix,
            secret=wanted.secret,
            scopes=wanted.scopes,
            models=wanted.models,
            allowed_ips=wanted.allowed_ips,
            priority=wanted.priority,
            expires_at=wanted.expires_at,
        )
        issued = create_key(tenant, new, pepper=pepper, actor=ledger.actor)
        is_generated = not wanted.secret
        ledger.report(
            f"Created the key {issued.key}."
            + (f" Its token, shown once: {issued.token}" if is_generated else "")
        )


def _key_columns(wanted: BootstrapKey, tenant: Tenant, row: ApiKey, pepper: bytes) -> dict[str, Any]:
    """Return a key's columns as the file states them; a revoked key stays revoked."""
    columns: dict[str, Any] = {
        "tenant_id": tenant.pk,
        "name": wanted.name or row.name,
        "scopes": list(wanted.scopes),
        "models": None if wanted.models is None else list(wanted.models),
        "allowed_ips": list(wanted.allowed_ips),
        "priority": wanted.priority,
        "expires_at": wanted.expires_at,
    }
    if wanted.secret:
        columns.update(secret_columns(row.prefix, wanted.secret, pepper))
    return columns
