"""Writes to deployments: each function is one transaction with one audit row. Blocking.

The file no longer decides a row that was written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from django.conf import settings
from django.db import transaction

from catalog.facts.of_rows import wrong_facts
from catalog.models import Deployment, Model
from catalog.secrets.sealing import destination, without_secrets
from catalog.services.provider_secrets import (
    GivenSecrets,
    SealedSecrets,
    seal_of,
    seal_secrets,
    set_deployment_key,
)
from tenants.audit import Actor, facts_of
from tenants.config_version import bump_version
from tenants.services import rows


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
    model = _upsert_model(new, actor)
    row = Deployment.objects.filter(model=model, name=new.name).first()
    row = row or Deployment(model=model, name=new.name)
    given = GivenSecrets(api_key=new.api_key, metadata=new.metadata)
    secrets = seal_secrets(row, given, provider=new.provider, endpoint=new.endpoint, key=key)
    for column in ("provider", "upstream_model", "endpoint", "api_version", "region", "priority", "weight"):
        setattr(row, column, getattr(new, column))
    row.enabled, row.timeouts = new.enabled, dict(new.timeouts)
    save_deployment(row, secrets=secrets, actor=actor)
    return row


def _upsert_model(new: NewDeployment, actor: Actor) -> Model:
    bump_version()
    model = Model.objects.filter(alias=new.alias).first() or Model(alias=new.alias)
    before = rows.stored_facts(model)
    for column, value in (new.model | {"edited": True, "removed": False}).items():
        setattr(model, column, value)
    if facts_of(model) != before:
        rows.write(model, "create" if before is None else "update", actor=actor, before=before)
    return model


@transaction.atomic
def save_deployment(row: Deployment, *, secrets: SealedSecrets, actor: Actor) -> None:
    """Create or change a deployment, or restore a removed one; `secrets` come from `seal_secrets`.

    Raises KeyNeeded if a stored secret may not be kept, IntegrityError, and ValueError for secrets of another origin.
    """
    bump_version()  # before the credential is written
    for refused in secrets.refused.values():
        raise refused
    if secrets.seal.origin != destination(row.provider, row.endpoint, settings.GATEWAY.providers):
        raise ValueError("the secrets are sealed for another origin than the deployment has")
    row.seal_id, row.metadata = secrets.seal.row, secrets.metadata
    row.edited, row.removed, row.problem = True, False, ""
    if secrets.api_key is not None:
        set_deployment_key(row, secrets.api_key, secrets.seal)
    rows.save(row, actor=actor, kept=("refused_members", "found_facts"))


def removed_deployment(model_id: int | None, name: str) -> Deployment | None:
    """Return the tombstone of a deployment: saving that row restores it, with its price history."""
    if model_id is None:  # of an alias that is new too
        return None
    return Deployment.objects.filter(model_id=model_id, name=name, removed=True).first()


@transaction.atomic
def remove_deployment(alias: str, name: str, *, actor: Actor) -> None:
    """Remove one deployment, for restarts too. Raises Deployment.DoesNotExist."""
    delete_deployment(Deployment.objects.get(model__alias=alias, name=name, removed=False), actor=actor)


@transaction.atomic
def delete_deployment(row: Deployment, *, actor: Actor) -> None:
    """Leave a tombstone: prices stay, the file does not restore it; its secrets are deleted for good."""
    bump_version()  # before the credential is deleted
    before = facts_of(row)
    row.removed = True
    set_deployment_key(row, "", seal_of(row, b""))
    row.metadata = without_secrets(row.metadata)
    rows.write_tombstone(row, actor=actor, before=before)


@transaction.atomic
def refuse_members(deployment_id: int, names: Sequence[str], *, actor: Actor) -> bool:
    """Refuse request members under a budget at a deployment, until they are cleared; return whether that is new."""
    if set(names).issubset(Deployment.objects.get(pk=deployment_id).refused_members):
        return False
    row = rows.locked(Deployment, deployment_id)
    return _set_refused(row, sorted({*row.refused_members, *names}), actor)


@transaction.atomic
def clear_refused_members(deployment_id: int, *, actor: Actor) -> bool:
    """Accept the refused members again; return whether there were any. A row that follows the file still does."""
    if not Deployment.objects.get(pk=deployment_id).refused_members:
        return False
    return _set_refused(rows.locked(Deployment, deployment_id), [], actor)


@transaction.atomic
def store_found_facts(deployment_id: int, facts: dict[str, Any], *, actor: Actor) -> bool:
    """Store what the vendor stated of a deployment's model; return whether it differs. The file decides as before.

    Raises Deployment.DoesNotExist, and ValueError for facts that no row may have.
    """
    if why := wrong_facts(facts):
        raise ValueError(why)
    row = rows.locked(Deployment, deployment_id)
    if row.found_facts == facts:
        return False
    before = facts_of(row)
    row.found_facts = facts
    rows.write(row, "update", actor=actor, before=before, fields=["found_facts"])
    return True


def _set_refused(row: Deployment, names: list[str], actor: Actor) -> bool:
    if row.refused_members == names:  # another worker wrote it before the lock was had
        return False
    before = facts_of(row)
    row.refused_members = names
    rows.write(row, "update", actor=actor, before=before, fields=["refused_members"])
    return True
