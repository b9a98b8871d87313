"""Syncs the configuration file's catalog to rows. They follow it until an administrator edits or removes them.

Three queries to read, then only differences are written, in one transaction; a second run writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.timezone import now as current_time

from catalog.models import Deployment, ManagedBy, Model, Price, PriceSource, new_seal_id
from catalog.pricing.config_prices import sheet_of
from catalog.secrets.encryption import CredentialUnreadable
from catalog.secrets.sealing import Seal, close_metadata, destination, open_metadata
from catalog.services.file_rows import (
    OF_FILE,
    FileDeployment,
    create_deployments,
    create_models,
    follow_file,
    follow_key,
    follow_price,
)
from catalog.services.prices import PRICE_COLUMNS, columns_of
from gateway.config import Config
from gateway.config.sections.model_catalog import ModelEntry
from gateway.config.sections.sign_in import Providers

GONE = {"enabled": False}


@transaction.atomic
def sync_catalog(config: Config, *, update: bool = False, now: datetime | None = None) -> bool:
    """Update the rows to match the file and return whether anything changed.

    `update`: the file overrides administrators' edits and removals as well ("reset to file").
    """
    run = _Run(config.providers, now or current_time(), update=update)
    by_alias: dict[str, list[ModelEntry]] = {}
    for entry in config.model_catalog:
        by_alias.setdefault(entry.alias, []).append(entry)
    run.sync_models(by_alias)
    run.sync_deployments(config.model_catalog)
    return run.changed


class _Run:
    """One synchronization: the rows as they were read, and whether anything had to be written."""

    def __init__(self, providers: Providers, now: datetime, *, update: bool) -> None:
        self.providers, self.now, self.update = providers, now, update
        self.changed = False
        self.models = {row.alias: row for row in Model.objects.all()}
        rows = Deployment.objects.select_related("credential", "model")
        self.deployments = {(row.model.alias, row.name): row for row in rows}
        self.prices: dict[int, Price] = {
            price.deployment_id: price for price in Price.objects.order_by("active_from")
        }

    def sync_models(self, by_alias: dict[str, list[ModelEntry]]) -> None:
        new = [
            Model(alias=alias, origin=ManagedBy.FILE, **_model_columns(entries))
            for alias, entries in by_alias.items()
            if alias not in self.models
        ]
        for model in create_models(new):
            self.models[model.alias] = model
            self.changed = True
        for alias, model in self.models.items():
            if self._follows_file(model, alias in by_alias):
                self._apply(model, _model_columns(by_alias[alias]) if alias in by_alias else GONE)

    def sync_deployments(self, entries: Iterable[ModelEntry]) -> None:
        wanted = {(entry.alias, entry.deployment): entry for entry in entries}
        self._create_deployments([entry for key, entry in wanted.items() if key not in self.deployments])
        for key, row in self.deployments.items():
            if not self._follows_file(row, key in wanted):
                continue
            if key not in wanted:
                self._apply(row, GONE)
                continue
            self._apply(row, self._metadata_kept(row, wanted[key]))
            self._sync_credential(row, wanted[key])
            self._sync_price(row, wanted[key])

    def _create_deployments(self, entries: list[ModelEntry]) -> None:
        new = [self._new(entry, self._seal(new_seal_id(), entry)) for entry in entries]
        create_deployments(new, now=self.now)
        self.changed = self.changed or bool(new)

    def _new(self, entry: ModelEntry, seal: Seal) -> FileDeployment:
        row = Deployment(
            model=self.models[entry.alias],
            name=entry.deployment,
            origin=ManagedBy.FILE,
            seal_id=seal.row,
            **_sealed(seal, _deployment_columns(entry)),
        )
        return FileDeployment(row, seal, entry.api_key, sheet_of(entry))

    def _follows_file(self, row: Model | Deployment, is_in_file: bool) -> bool:  # noqa: FBT001 - one fact
        if self.update and is_in_file:
            return True
        return row.origin == ManagedBy.FILE and not row.edited and not row.removed

    def _apply(self, row: Model | Deployment, columns: dict[str, Any]) -> None:
        if self.update and columns is not GONE:
            columns = {**columns, **OF_FILE}
        self.changed = follow_file(row, columns) or self.changed

    def _seal(self, row: str, entry: ModelEntry) -> Seal:
        """Return what a row's secrets are sealed for once it follows the file's entry."""
        origin = destination(entry.provider, entry.endpoint, self.providers)
        return Seal(settings.SECRETS.encryption_key, row, origin)

    def _sync_credential(self, row: Deployment, entry: ModelEntry) -> None:
        self.changed = follow_key(row, entry.api_key, self._seal(row.seal_id or "", entry)) or self.changed

    def _sync_price(self, row: Deployment, entry: ModelEntry) -> None:
        latest = self.prices.get(row.pk)
        if latest is not None and latest.source == PriceSource.ADMIN and not self.update:
            return
        current = latest if latest is not None and latest.active_to is None else None
        sheet = sheet_of(entry)
        wanted = None if sheet is None else columns_of(sheet)
        if wanted == (None if current is None else {name: getattr(current, name) for name in PRICE_COLUMNS}):
            return
        follow_price(row, sheet, now=self.now)
        self.changed = True

    def _metadata_kept(self, row: Deployment, entry: ModelEntry) -> dict[str, Any]:
        """Keep the stored text of unchanged secrets: sealing them again would look like a change."""
        columns = _deployment_columns(entry) | {"seal_id": row.seal_id or new_seal_id()}
        seal = self._seal(columns["seal_id"], entry)
        try:
            is_same = open_metadata(seal, row.metadata) == columns["metadata"]
        except CredentialUnreadable:
            is_same = False
        return {**columns, "metadata": row.metadata} if is_same else _sealed(seal, columns)


def _sealed(seal: Seal, columns: dict[str, Any]) -> dict[str, Any]:
    return {**columns, "metadata": close_metadata(seal, columns["metadata"])}


def _model_columns(entries: list[ModelEntry]) -> dict[str, Any]:
    """Return the alias as described by all its rows: the widest limits, every modality."""
    return {
        "model_type": entries[0].model_type,
        "strategy": entries[0].strategy,
        "context_window": max((e.context_window for e in entries if e.context_window), default=None),
        "max_output_tokens": max((e.max_output_tokens for e in entries if e.max_output_tokens), default=None),
        "modalities": _stated_modalities(entries),
        "supports_tools": any(entry.supports_tools for entry in entries),
        "enabled": any(entry.enabled for entry in entries),
        "owned_by": entries[0].owned_by or entries[0].provider,
        "fallbacks": next((found for entry in entries if (found := _fallbacks(entry))), {}),
        "metadata": _habits(entries),
    }


def _stated_modalities(entries: list[ModelEntry]) -> list[str]:
    """Return the modalities of all rows together, or none if one row does not state them."""
    stated = [entry.modalities for entry in entries if entry.modalities is not None]
    if len(stated) < len(entries):
        return []
    return list(dict.fromkeys(modality for each in stated for modality in each))


def _habits(entries: list[ModelEntry]) -> dict[str, Any]:
    sticky = next(({"sticky": e.sticky} for e in entries if e.sticky != "none"), {})
    tried = next((e.experiment.model_dump() for e in entries if e.experiment is not None), None)
    return {**sticky, "experiment": tried} if tried is not None else dict(sticky)


def _fallbacks(entry: ModelEntry) -> dict[str, list[str]]:
    return {reason: list(aliases) for reason, aliases in entry.fallbacks.model_dump().items() if aliases}


def _capabilities(entry: ModelEntry) -> dict[str, Any]:
    """Return the capabilities that a row states; others are left out."""
    stated: dict[str, Any] = {}
    if entry.modalities is not None:
        stated["modalities"] = list(entry.modalities)
    if not entry.supports_tools:
        stated["tools"] = False
    if not entry.supports_json_schema:
        stated["json_schema"] = False
    if entry.context_window:
        stated["context_window"] = entry.context_window
    return stated


def _deployment_columns(entry: ModelEntry) -> dict[str, Any]:
    return {
        "provider": entry.provider,
        "upstream_model": entry.provider_model,
        "endpoint": entry.endpoint,
        "api_version": entry.api_version,
        "region": entry.region,
        "priority": entry.priority,
        "weight": entry.weight,
        "shadow_percent": entry.shadow_percent,
        "enabled": entry.enabled and not entry.problem,
        "unknown_members": entry.unknown_members,
        "timeouts": entry.timeouts.model_dump(exclude_unset=True),
        "metadata": dict(entry.metadata),
        "capabilities": _capabilities(entry),
        "facts": entry.facts.model_dump(mode="json", exclude_none=True),
        "problem": entry.problem,
    }
