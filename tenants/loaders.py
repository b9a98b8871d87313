"""Reads a key for the key cache; the only ORM of this app beside the hot path, and only on a cache miss."""

from __future__ import annotations

from django.db import OperationalError

from gateway.values.stop_reason import StopReason
from tenants.api_keys.cache import StoredKey
from tenants.caller import Caller
from tenants.errors import KeysUnavailable
from tenants.models import ApiKey, Priority, Tenant, TenantStatus


def load_key(prefix: str) -> StoredKey | None:
    """Return the key with this prefix, or None. Blocking: one query. Raises KeysUnavailable."""
    try:
        key = ApiKey.objects.select_related("tenant").filter(prefix=prefix).first()
    except OperationalError as error:
        raise KeysUnavailable from error
    if key is None:
        return None
    revoked_at = key.revoked_at.timestamp() if key.revoked_at is not None else None
    previous_until = key.previous_until.timestamp() if key.previous_until is not None else None
    return StoredKey(key.secret_hmac, _caller(key, key.tenant), revoked_at, key.previous_hmac, previous_until)


def load_prefixes(after: int) -> list[tuple[int, str]]:
    """Return number and prefix of the unrevoked keys after this number. Blocking: one query. Raises KeysUnavailable."""
    newer = ApiKey.objects.filter(pk__gt=after, revoked_at__isnull=True)
    try:
        return list(newer.values_list("pk", "prefix"))
    except OperationalError as error:
        raise KeysUnavailable from error


def stopped_keys(key_ids: set[int]) -> dict[int, StopReason]:
    """Return which of these keys may no longer run calls, and why. Blocking: one query."""
    rows = ApiKey.objects.filter(id__in=key_ids).values_list("id", "revoked_at", "tenant__status")
    known = {key_id: _stop_reason(revoked_at is not None, status) for key_id, revoked_at, status in rows}
    found = {key_id: known.get(key_id, StopReason.KEY_REVOKED) for key_id in key_ids}
    return {key_id: reason for key_id, reason in found.items() if reason is not None}


def _stop_reason(is_revoked: bool, status: str) -> StopReason | None:  # noqa: FBT001 - two facts of one row
    if is_revoked:
        return StopReason.KEY_REVOKED
    return None if status == TenantStatus.ACTIVE else StopReason.TENANT_SUSPENDED


def _caller(key: ApiKey, tenant: Tenant) -> Caller:
    return Caller(
        key_id=key.pk,
        key_prefix=key.prefix,
        key_name=key.name,
        tenant_id=tenant.pk,
        tenant=tenant.name,
        tenant_active=tenant.status == "active",
        timezone=tenant.timezone,
        scopes=frozenset(key.scopes),
        models=frozenset(key.models) if key.models else None,
        tenant_models=frozenset(tenant.models) if tenant.models is not None else None,
        expires_at=key.expires_at.timestamp() if key.expires_at is not None else None,
        allowed_ips=tuple(key.allowed_ips),
        stores_answers=tenant.stores_answers,
        is_batch=key.priority == Priority.BATCH,
    )
