"""One number that rises with every change of what running servers keep in memory; they poll it, and are notified.

It rises in the transaction of the change, once in each: services raise it with what they write. The signals of Django
(`announce_changes`) are the safety net for writes that are not the program's own: `createsuperuser`, `changepassword`,
the shell. Blocking, except for `announce_changes`.
"""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db import transaction
from django.db.models import F
from django.db.models.signals import post_delete, post_save
from django.dispatch import Signal

from tenants.models import ConfigVersion

CONFIG = "config"
QUIET_FIELDS = frozenset({"last_used_at", "last_login"})

config_changed = Signal()  # after the commit; receivers must be quick and may be called from any thread


def config_version() -> int:
    """Return the number that rises with every change a running server must notice."""
    return ConfigVersion.objects.filter(name=CONFIG).values_list("version", flat=True).first() or 0


def bump_version() -> None:
    """Raise the number that running servers watch, in the caller's transaction, once in each."""
    connection = transaction.get_connection()
    if connection.in_atomic_block and any(entry[1] is _bumped for entry in connection.run_on_commit):
        return
    if not ConfigVersion.objects.filter(name=CONFIG).update(version=F("version") + 1):
        row, _ = ConfigVersion.objects.get_or_create(name=CONFIG)
        ConfigVersion.objects.filter(pk=row.pk).update(version=F("version") + 1)
    if connection.in_atomic_block:
        transaction.on_commit(_bumped)  # a rollback, also of a savepoint, drops this mark with the bump
    else:
        _bumped()


def bump_on_change(**signal: Any) -> None:
    """Receive post_save and post_delete of everything that servers keep in memory: what no service wrote counts too."""
    fields = signal.get("update_fields")
    if fields is None or not QUIET_FIELDS.issuperset(fields):
        bump_version()


def announce_changes(app: AppConfig, *models: str) -> None:
    """Raise the version with every change of a row of these models, by any writer. For AppConfig.ready()."""
    for name in models:
        for signal in (post_save, post_delete):
            signal.connect(
                bump_on_change, sender=app.get_model(name), dispatch_uid=f"{app.label}.{name}.version"
            )


def _bumped() -> None:
    """Mark a transaction that has raised the version, and send the signal once it is committed."""
    config_changed.send_robust(sender=None)
