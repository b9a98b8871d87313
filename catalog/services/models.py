"""Writes to aliases: each function is one transaction. Blocking.

The file no longer decides a row that was written here.
"""

from __future__ import annotations

from django.db import transaction

from catalog.models import Deployment, Model
from catalog.services.deployments import delete_deployment
from tenants.audit import Actor, facts_of
from tenants.services import rows


def save_model(model: Model, *, actor: Actor) -> None:
    """Create or change an alias, or restore a removed one. Raises IntegrityError."""
    model.edited, model.removed = True, False
    rows.save(model, actor=actor)


def removed_model(alias: str) -> Model | None:
    """Return the tombstone of an alias: saving that row restores the alias."""
    return Model.objects.filter(alias=alias, removed=True).first()


@transaction.atomic
def remove_model(alias: str, *, actor: Actor) -> int:
    """Remove an alias and its deployments, for restarts too; return how many. Raises Model.DoesNotExist."""
    return delete_model(Model.objects.get(alias=alias, removed=False), actor=actor)


@transaction.atomic
def delete_model(model: Model, *, actor: Actor) -> int:
    """Leave tombstones of an alias and its deployments, with an audit row each; return how many deployments."""
    deployments = list(Deployment.objects.filter(model=model, removed=False).select_related("model"))
    for row in deployments:
        delete_deployment(row, actor=actor)
    before = facts_of(model)
    model.removed = True
    rows.write_tombstone(model, actor=actor, before=before)
    return len(deployments)
