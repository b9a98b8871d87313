"""The app of limits, budgets and holds."""

from __future__ import annotations

from django.apps import AppConfig
from typing_extensions import override


class BudgetsConfig(AppConfig):
    name = "budgets"
    default_auto_field = "django.db.models.BigAutoField"

    @override
    def ready(self) -> None:
        from tenants.config_version import announce_changes  # noqa: PLC0415 - models exist by now

        announce_changes(self, "RateLimit", "Budget")  # workers keep these in memory
