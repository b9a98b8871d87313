"""People, tenants and their keys."""

from __future__ import annotations

from django.apps import AppConfig
from typing_extensions import override


class TenantsConfig(AppConfig):
    name = "tenants"
    default_auto_field = "django.db.models.BigAutoField"

    @override
    def ready(self) -> None:
        from tenants.config_version import announce_changes  # noqa: PLC0415 - models exist by now

        announce_changes(self, "User", "Tenant", "Membership", "ApiKey")  # kept in memory
