"""Writes to the catalog: one verb, one transaction, one audit row. Blocking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.conf import settings
from django.db import transaction
from django.utils.timezone import now as current_time

from catalog.models import RATES, Credential, Deployment, Model, Price, new_seal_id
from catalog.pricing.prices import PriceSheet
from catalog.secrets.encryption import key_id
from catalog.secrets.sealing import API_KEY, Seal, close_metadata, destination, without_secrets
from gateway.config.normalization import bare
from tenants.audit import Actor, facts_of, record
from tenants.config_version import bump_version

FIRST_PRICE_AGE = timedelta(
    days=1
)  # a clock that is set back finds a price too; there were no calls before it
HINT_LENGTH = 4
SHORTEST_HINTED = 12  # of a shorter secret, four characters would reveal too much
TICK = timedelta(microseconds=1)
PRICE_COLUMNS = (*RATES, "free", "images", "terms")


class KeyNeeded(Exception):
    """A deployment was given another origin and not the key for it: the stored key stays with its own origin."""

    def __init__(self, before: str, after: str) -> None:
        self.before, self.after = before, after
        was = f"for {before}" if before else "for another address"
        super().__init__(f"The stored key is {was}. Type the key for {after or 'the new address'} again.")


class NewDeployment(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment as an administrator wants it. `model` holds columns of the alias to set with it.

    `api_key` None keeps the stored credential, an empty text removes it. `metadata` is in the clear.
    """

    alias: str
    name: str
    provider: str
    upstream_model: str
    endpoint: str = ""
    api_key: str | None = None
    api_version: str = ""
    region: str = ""
    priority: int = 0
    weight: int = 100
    enabled: bool = True
    timeouts: dict[str, float] = {}
    metadata: dict[str, str] = {}
    model: dict[str, Any] = {}


@transaction.atomic
def upsert_deployment(new: NewDeployment, *, key: bytes, actor: Actor) -> Deployment:
    """Create or replace a deployment of an alias, and its alias if needed; the file no longer decides.

    Raises KeyNeeded.
    """
    model, _ = Model.objects.get_or_create(alias=new.alias)
    before_model = facts_of(model)
    for column, value in (new.model | {"edited": True, "removed": False}).items():
        setattr(model, column, value)
    model.save()
    if facts_of(model) != before_model:
        record(actor, "update", model, before=before_model, after=facts_of(model))
    row = Deployment.objects.filter(model=model, name=new.name).first()
    before = facts_of(row) if row is not None else None
    row = row or Deployment(model=model, name=new.name)
    origin = seal_of(row, key).origin
    for column in ("provider", "upstream_model", "endpoint", "api_version", "region", "priority", "weight"):
        setattr(row, column, getattr(new, column))
    row.enabled, row.edited, row.removed, row.problem = new.enabled, True, False, ""
    row.timeouts = dict(new.timeouts)
    row.seal_id = row.seal_id or new_seal_id()
    seal = seal_of(row, key)
    row.metadata = close_metadata(seal, new.metadata)
    if new.api_key is not None:
        set_deployment_key(row, new.api_key, seal)
    elif not keeps_key(row, seal, origin):
        raise KeyNeeded(origin, seal.origin)
    row.save()
    record(actor, "update" if before else "create", row, before=before, after=facts_of(row))
    return row


def seal_of(row: Deployment, key: bytes) -> Seal:
    """Return what the row's secrets are sealed for, as the row is now."""
    return Seal(key, row.seal_id or "", destination(row.provider, row.endpoint, settings.GATEWAY.providers))


def keeps_key(row: Deployment, seal: Seal, origin_before: str) -> bool:
    """Whether the stored credential may stay: not if the row has another origin than it was sealed for."""
    stored = row.credential
    return stored is None or seal.origin == origin_before or seal.opens(API_KEY, stored.ciphertext)


def set_deployment_key(row: Deployment, api_key: str, seal: Seal) -> None:
    """Give a deployment a credential of its own, or none for an empty text. The caller saves the deployment."""
    before = row.credential
    is_own = before is not None and not before.deployments.exclude(pk=row.pk).exists()
    if not api_key:
        row.credential = None
        if before is not None and is_own:
            before.delete()
        return
    credential = before if before is not None and is_own else Credential()
    seal_into(credential, api_key, seal)
    credential.save()
    row.credential = credential


def seal_into(row: Credential, plaintext: str, seal: Seal) -> None:
    """Seal a secret into a row, without what was pasted around it; the caller saves."""
    plaintext = bare(plaintext)
    row.name = seal.name_of(API_KEY)
    row.ciphertext = seal.close(API_KEY, plaintext)
    row.key_id = key_id(seal.key)
    row.hint = plaintext[-HINT_LENGTH:] if len(plaintext) >= SHORTEST_HINTED else ""
    row.updated_at = current_time()


@transaction.atomic
def set_price(
    deployment: Deployment, sheet: PriceSheet, *, source: str, now: datetime, actor: Actor | None = None
) -> Price:
    """Put a price in force from now on: the row before it ends at that instant; receipts stay correct."""
    start = end_price(deployment, now=now)
    price = Price(deployment=deployment, active_from=start, source=source, **columns_of(sheet))
    price.save()
    if actor is not None:
        record(actor, "create", price, before=None, after=facts_of(price))
    return price


def end_price(deployment: Deployment, *, now: datetime) -> datetime:
    """Close the deployment's open price row, if any, and return when the next may begin."""
    latest = Price.objects.filter(deployment=deployment).order_by("-active_from").first()
    if latest is None:
        return now - FIRST_PRICE_AGE
    if latest.active_to is None:
        latest.active_to = max(now, latest.active_from + TICK)
        latest.save(update_fields=["active_to"])
    return max(now, latest.active_to)


def columns_of(sheet: PriceSheet) -> dict[str, Any]:
    """Return a sheet as columns of a price row."""
    rates: Mapping[str, int | None] = {rate: getattr(sheet, rate) for rate in RATES}
    images = [[image.rate, image.size, image.quality] for image in sheet.images]
    terms: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(sheet.terms))
    return {**rates, "free": sheet.free, "images": images, "terms": terms}


@transaction.atomic
def refuse_members(deployment_id: int, names: Sequence[str], *, actor: Actor) -> bool:
    """Refuse request members under a budget at a deployment, until they are cleared; return whether that is new."""
    row = Deployment.objects.select_for_update().get(pk=deployment_id)
    refused = sorted({*row.refused_members, *names})
    if refused == row.refused_members:
        return False
    before = facts_of(row)
    row.refused_members = refused
    row.save(update_fields=["refused_members"])
    record(actor, "update", row, before=before, after=facts_of(row))
    bump_version()
    return True


@transaction.atomic
def clear_refused_members(deployment_id: int, *, actor: Actor) -> bool:
    """Accept the refused members again; return whether there were any. A row that follows the file still does."""
    row = Deployment.objects.select_for_update().get(pk=deployment_id)
    if not row.refused_members:
        return False
    before = facts_of(row)
    row.refused_members = []
    row.save(update_fields=["refused_members"])
    record(actor, "update", row, before=before, after=facts_of(row))
    bump_version()
    return True


@transaction.atomic
def remove_model(alias: str, *, actor: Actor) -> int:
    """Remove an alias and its deployments, for restarts too; return how many. Raises Model.DoesNotExist."""
    return soft_delete_model(Model.objects.get(alias=alias, removed=False), actor)


@transaction.atomic
def remove_deployment(alias: str, name: str, *, actor: Actor) -> None:
    """Remove one deployment, for restarts too. Raises Deployment.DoesNotExist."""
    soft_delete(Deployment.objects.get(model__alias=alias, name=name, removed=False), actor)


@transaction.atomic
def soft_delete_model(model: Model, actor: Actor) -> int:
    """Soft-delete an alias with its deployments and return how many those were."""
    rows = list(Deployment.objects.filter(model=model, removed=False).select_related("model"))
    for row in rows:
        soft_delete(row, actor)
    soft_delete(model, actor)
    return len(rows)


@transaction.atomic
def soft_delete(row: Model | Deployment, actor: Actor) -> None:
    """Leave a tombstone: prices stay, the file does not restore it; its secrets are deleted for good."""
    before = facts_of(row)
    row.removed = True
    if isinstance(row, Deployment):
        set_deployment_key(row, "", seal_of(row, b""))
        row.metadata = without_secrets(row.metadata)
    row.save()
    record(actor, "delete", row, before=before, after=None)
