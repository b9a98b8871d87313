"""Writes to tenants and keys: each function is one transaction with one audit row. Blocking."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
from django.db import transaction

from tenants.api_keys import tokens
from tenants.audit import Actor, facts_of, record
from tenants.models import ApiKey, Tenant, TenantStatus, User


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """The properties of a new key. An empty prefix or secret is generated; empty scopes, no models mean all."""

    name: str
    prefix: str = ""
    secret: str = ""
    scopes: tuple[str, ...] = ()
    models: tuple[str, ...] | None = None
    allowed_ips: tuple[str, ...] = ()
    priority: str = "interactive"
    expires_at: datetime | None = None
    created_by: User | None = None


class Issued(NamedTuple):
    """A key and its token, which cannot be shown a second time."""

    key: ApiKey
    token: str


@transaction.atomic
def create_tenant(name: str, *, actor: Actor) -> Tenant:
    """Create a tenant. Raises ValidationError for a name that is taken, empty or too long."""
    tenant = Tenant(name=name.strip())
    tenant.full_clean()
    tenant.save()
    record(actor, "create", tenant, before=None, after=facts_of(tenant))
    return tenant


@transaction.atomic
def create_key(tenant: Tenant, new: NewKey, *, pepper: bytes, actor: Actor) -> Issued:
    """Create a key. Raises IntegrityError for a prefix that is taken, ValueError for an impossible one."""
    minted = tokens.mint()
    if new.prefix or new.secret:
        minted = tokens.assemble(new.prefix or minted.prefix, new.secret or minted.secret)
    key = ApiKey(
        tenant=tenant,
        name=new.name,
        scopes=list(new.scopes),
        models=None if new.models is None else list(new.models),
        allowed_ips=list(new.allowed_ips),
        priority=new.priority,
        expires_at=new.expires_at,
        created_by=new.created_by,
    )
    give_secret(key, minted, pepper)
    key.save()
    record(actor, "create", key, before=None, after=facts_of(key))
    return Issued(key, minted.token)


def give_secret(key: ApiKey, minted: tokens.Minted, pepper: bytes) -> None:
    """Put a generated key's prefix and hash into a row; the caller saves."""
    key.prefix = minted.prefix
    key.secret_hmac = tokens.digest(pepper, minted.prefix, minted.secret)
    key.pepper_id = tokens.pepper_id(pepper)


def revoke_key(key_id: int, *, actor: Actor, now: datetime) -> ApiKey:
    """Revoke a key permanently; revoking it again changes nothing. Raises ApiKey.DoesNotExist."""

    def revoke(key: ApiKey) -> None:
        key.revoked_at = key.revoked_at or now

    return _change_key(key_id, "revoke", actor, revoke)


def rotate_key(key_id: int, *, overlap: timedelta, pepper: bytes, actor: Actor, now: datetime) -> Issued:
    """Give a key a new secret; the previous one stays valid for `overlap`. Prefix, limits and money stay.

    Raises ApiKey.DoesNotExist, and ValueError for a revoked key.
    """
    secret = tokens.mint().secret

    def rotate(key: ApiKey) -> None:
        if key.revoked_at is not None:
            raise ValueError("a revoked key cannot be rotated")
        key.previous_hmac, key.previous_until = "", None
        if overlap > timedelta(0):
            key.previous_hmac, key.previous_until = key.secret_hmac, now + overlap
        key.secret_hmac, key.pepper_id = tokens.digest(pepper, key.prefix, secret), tokens.pepper_id(pepper)

    key = _change_key(key_id, "rotate", actor, rotate)
    return Issued(key, tokens.assemble(key.prefix, secret).token)


@transaction.atomic
def _change_key(key_id: int, action: str, actor: Actor, change: Callable[[ApiKey], None]) -> ApiKey:
    key = ApiKey.objects.select_for_update().get(pk=key_id)
    before = facts_of(key)
    change(key)
    key.save()
    record(actor, action, key, before=before, after=facts_of(key))
    return key


def suspend_tenant(tenant_id: int, *, actor: Actor) -> Tenant:
    """Refuse every key of a tenant until it is resumed. Raises Tenant.DoesNotExist."""
    return _set_status(tenant_id, TenantStatus.SUSPENDED, "suspend", actor)


def resume_tenant(tenant_id: int, *, actor: Actor) -> Tenant:
    """Admit a suspended tenant's keys again. Raises Tenant.DoesNotExist."""
    return _set_status(tenant_id, TenantStatus.ACTIVE, "resume", actor)


@transaction.atomic
def _set_status(tenant_id: int, status: TenantStatus, action: str, actor: Actor) -> Tenant:
    tenant = Tenant.objects.select_for_update().get(pk=tenant_id)
    before = facts_of(tenant)
    tenant.status = status
    tenant.save(update_fields=["status"])
    record(actor, action, tenant, before=before, after=facts_of(tenant))
    return tenant


def write_key_use(noted: Mapping[int, float]) -> None:
    """Write `last_used_at` of these keys. Blocking: one statement for each 500 of them."""
    from tenants.models import ApiKey  # noqa: PLC0415 - the hot path imports no models

    rows = [ApiKey(pk=key_id, last_used_at=datetime.fromtimestamp(at, UTC)) for key_id, at in noted.items()]
    ApiKey.objects.bulk_update(rows, ["last_used_at"], batch_size=500)
