"""Tells every running server that rows it keeps in memory changed, whoever changed them. Imports no models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models.signals import post_delete, post_save

if TYPE_CHECKING:
    from django.apps import AppConfig


def announce_changes(app: AppConfig, *models: str) -> None:
    """Raise the version of the configuration with every change of a row of these models. For AppConfig.ready()."""
    from tenants.services import bump_on_change  # noqa: PLC0415 - models exist only when apps are ready

    for name in models:
        for signal in (post_save, post_delete):
            signal.connect(
                bump_on_change, sender=app.get_model(name), dispatch_uid=f"{app.label}.{name}.version"
            )
