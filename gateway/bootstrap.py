"""Applies the `bootstrap` section across the apps, in one transaction. Blocking; a second run writes nothing."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from budgets.bootstrap import bootstrap_money
from gateway.config import Config
from tenants.audit import Actor
from tenants.bootstrap import BY_ITSELF, BootstrapState, bootstrap_people


@transaction.atomic
def bootstrap(
    config: Config,
    update: bool = False,  # noqa: FBT001, FBT002 - passed by name at every call
    actor: Actor = BY_ITSELF,
) -> list[str]:
    """Create what is missing and return what was done; only this result contains the generated tokens.

    `update` also overwrites what administrators changed or deleted, but never a password.
    """
    ledger = BootstrapState(update=update, actor=actor)
    bootstrap_people(config, ledger, settings.SECRETS.pepper)
    bootstrap_money(config, ledger)
    ledger.save()
    return ledger.messages
