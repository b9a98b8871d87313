"""Writes to API keys: each function is one transaction with one audit row. Blocking."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import msgspec
from django.db import transaction

from tenants.api_keys import tokens
from tenants.audit import Actor, facts_of
from tenants.models import ApiKey, Tenant, User
from tenants.services import rows

SECRET: Final = ("secret_hmac", "pepper_id")
# Written by `revoke_key`, `rotate_key` and `write_key_use` alone.
KEPT: Final = ("revoked_at", "previous_hmac", "previous_until", "last_used_at")


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


def create_key(tenant: Tenant, new: NewKey, *, pepper: bytes, actor: Actor) -> Issued:
    """Create a key. Raises IntegrityError for a prefix that is taken, ValueError for an impossible one."""
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
    return issue_key(key, pepper=pepper, actor=actor, prefix=new.prefix, secret=new.secret)


def issue_key(key: ApiKey, *, pepper: bytes, actor: Actor, prefix: str = "", secret: str = "") -> Issued:
    """Give a new row its prefix and secret, generated if empty, and save it. Raises what `create_key` raises."""
    minted = tokens.mint()
    if prefix or secret:
        minted = tokens.assemble(prefix or minted.prefix, secret or minted.secret)
    key.prefix = minted.prefix
    _set(key, secret_columns(minted.prefix, minted.secret, pepper))
    rows.write(key, "create", actor=actor, before=None)
    return Issued(key, minted.token)


def save_key(key: ApiKey, *, actor: Actor) -> None:
    """Change a key as the row says. `rotate_key` gives it a new secret, and `revoke_key` ends it."""
    rows.save(key, actor=actor, kept=(*KEPT, *SECRET))


def save_key_of_file(key: ApiKey, *, actor: Actor) -> None:
    """Change a key as the file has it, its secret too. A revoked key stays revoked."""
    rows.save(key, actor=actor, kept=KEPT)


def delete_key(key: ApiKey, *, actor: Actor) -> None:
    """Delete a revoked key with its limits and budgets. Raises ValueError for a key in force.

    A revoked key is kept by most: a caller that still uses it can then be distinguished from a stranger.
    """
    if key.revoked_at is None:
        raise ValueError("a key in force cannot be deleted: revoke it first")
    rows.delete(key, actor=actor)


def secret_columns(prefix: str, secret: str, pepper: bytes) -> dict[str, str]:
    """Return the columns that stand for a key's secret, which itself is not stored."""
    return {
        "secret_hmac": tokens.digest(pepper, prefix, secret),
        "pepper_id": tokens.pepper_id(pepper),
    }


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
        _set(key, secret_columns(key.prefix, secret, pepper))

    key = _change_key(key_id, "rotate", actor, rotate)
    return Issued(key, tokens.assemble(key.prefix, secret).token)


@transaction.atomic
def _change_key(key_id: int, action: str, actor: Actor, change: Callable[[ApiKey], None]) -> ApiKey:
    key = rows.locked(ApiKey, key_id)
    before = facts_of(key)
    change(key)
    rows.write(key, action, actor=actor, before=before)
    return key


def _set(key: ApiKey, columns: Mapping[str, str]) -> None:
    for name, value in columns.items():
        setattr(key, name, value)


def write_key_use(noted: Mapping[int, float]) -> None:
    """Write `last_used_at` of these keys. Blocking: one statement for each 500 of them."""
    used = [ApiKey(pk=key_id, last_used_at=datetime.fromtimestamp(at, UTC)) for key_id, at in noted.items()]
    ApiKey.objects.bulk_update(used, ["last_used_at"], batch_size=500)
