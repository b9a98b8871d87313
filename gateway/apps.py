"""THE FRONT DOOR: HTTP in, HTTP out, and the process around it."""

from __future__ import annotations

from django.apps import AppConfig
from typing_extensions import override


class GatewayConfig(AppConfig):
    name = "gateway"

    @override
    def ready(self) -> None:
        from gateway import checks  # noqa: F401, PLC0415 - registers itself, after the settings are there
