"""manage.py check: Django's checks, those of the configuration, and of its environment: disk, stores, stored rows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, register
from django.core.management.commands import check
from typing_extensions import override


class Command(check.Command):
    @override
    def handle(self, *app_labels: Any, **options: Any) -> None:
        register(_around)
        super().handle(*app_labels, **options)


def _around(**_: Any) -> list[CheckMessage]:
    """Registered only here: other commands do not report this, and would query the stores in vain."""
    from gateway.management.environment import messages_around  # noqa: PLC0415 - imports the models

    return messages_around(settings.GATEWAY)
