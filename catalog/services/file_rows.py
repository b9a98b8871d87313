"""Writes of rows that follow the configuration file (catalog/sync.py), without audit rows: the file is the record.

Blocking; in the caller's transaction, which is one for the whole file.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from catalog.models import Credential, Deployment, ManagedBy, Model, Price, PriceSource
from catalog.pricing.prices import PriceSheet
from catalog.secrets.encryption import CredentialUnreadable
from catalog.secrets.sealing import API_KEY, Seal
from catalog.services.prices import FIRST_PRICE_AGE, columns_of, end_price, set_price
from catalog.services.provider_secrets import seal_into, set_deployment_key
from tenants.config_version import bump_version

OF_FILE: dict[str, Any] = {"origin": ManagedBy.FILE, "edited": False, "removed": False}


class FileDeployment(NamedTuple):
    """A deployment of the file that has no row yet: its row without a credential, its key and its price."""

    row: Deployment
    seal: Seal
    api_key: str
    sheet: PriceSheet | None


def create_models(new: Sequence[Model]) -> list[Model]:
    """Create the rows of aliases, in one statement."""
    if new:
        bump_version()
    return Model.objects.bulk_create(new)


def create_deployments(new: Sequence[FileDeployment], *, now: datetime) -> None:
    """Create the rows of deployments with their credentials and first prices, in three statements."""
    if new:
        bump_version()
    credentials = [_credential(each) for each in new]
    Credential.objects.bulk_create([credential for credential in credentials if credential is not None])
    for each, credential in zip(new, credentials, strict=True):
        each.row.credential = credential
    Deployment.objects.bulk_create([each.row for each in new])
    Price.objects.bulk_create(
        Price(
            deployment=each.row,
            active_from=now - FIRST_PRICE_AGE,
            source=PriceSource.CONFIG,
            **columns_of(each.sheet),
        )
        for each in new
        if each.sheet is not None
    )


def follow_file(row: Model | Deployment, columns: dict[str, Any]) -> bool:
    """Write the columns that differ and return whether any did."""
    different = [name for name, value in columns.items() if getattr(row, name) != value]
    if not different:
        return False
    for name in different:
        setattr(row, name, columns[name])
    bump_version()
    row.save(update_fields=different)
    return True


def follow_key(row: Deployment, api_key: str, seal: Seal) -> bool:
    """Store the file's key if it differs, or was sealed for another origin or with another secret."""
    if _stored_key(row, seal) == api_key:
        return False
    bump_version()
    set_deployment_key(row, api_key, seal)
    row.save(update_fields=["credential"])
    return True


def follow_price(row: Deployment, sheet: PriceSheet | None, *, now: datetime) -> None:
    """Put the file's price in force, or end the one in force if the file has none."""
    if sheet is None:
        end_price(row, now=now)
    else:
        set_price(row, sheet, source=PriceSource.CONFIG, now=now)


def _credential(new: FileDeployment) -> Credential | None:
    if not new.api_key:
        return None
    credential = Credential()
    seal_into(credential, new.api_key, new.seal)
    return credential


def _stored_key(row: Deployment, seal: Seal) -> str | None:
    if row.credential is None:
        return ""
    try:
        return seal.open(API_KEY, row.credential.ciphertext)
    except CredentialUnreadable:
        return None
