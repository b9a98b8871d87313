"""The writers of the catalog: aliases, deployments with their secrets, prices; and rows that follow the file."""

from __future__ import annotations

from catalog.services.deployments import (
    NewDeployment,
    clear_refused_members,
    delete_deployment,
    refuse_members,
    remove_deployment,
    removed_deployment,
    save_deployment,
    store_found_facts,
    upsert_deployment,
)
from catalog.services.models import delete_model, remove_model, removed_model, save_model
from catalog.services.prices import add_price, columns_of, is_stated, set_price
from catalog.services.provider_secrets import (
    GivenSecrets,
    KeyNeeded,
    SealedSecrets,
    seal_of,
    seal_secrets,
)

__all__ = [
    "GivenSecrets",
    "KeyNeeded",
    "NewDeployment",
    "SealedSecrets",
    "add_price",
    "clear_refused_members",
    "columns_of",
    "delete_deployment",
    "delete_model",
    "is_stated",
    "refuse_members",
    "remove_deployment",
    "remove_model",
    "removed_deployment",
    "removed_model",
    "save_deployment",
    "save_model",
    "seal_of",
    "seal_secrets",
    "set_price",
    "store_found_facts",
    "upsert_deployment",
]
