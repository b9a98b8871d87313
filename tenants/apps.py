"""WHO: people, tenants and their keys."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_delete, post_save
from typing_extensions import override

KEPT_IN_MEMORY = ("User", "Tenant", "Membership", "ApiKey")  # a change must reach every running server


class TenantsConfig(AppConfig):
    name = "tenants"
    default_auto_field = "django.db.models.BigAutoField"

    @override
    def ready(self) -> None:
        from tenants.services import bump_on_change  # noqa: PLC0415 - models exist only now

        for name in KEPT_IN_MEMORY:
            for signal in (post_save, post_delete):
                signal.connect(
                    bump_on_change, sender=self.get_model(name), dispatch_uid=f"tenants.{name}.version"
                )
