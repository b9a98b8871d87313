"""WHAT and WHERE TO: models, deployments, prices, routes."""

from __future__ import annotations

from django.apps import AppConfig
from typing_extensions import override


class CatalogConfig(AppConfig):
    name = "catalog"
    default_auto_field = "django.db.models.BigAutoField"

    @override
    def ready(self) -> None:
        from tenants.config_version import announce_changes  # noqa: PLC0415 - models exist by now

        announce_changes(self, "Model", "Deployment", "Credential", "Price")  # kept in memory
