"""THE FRONT DOOR: HTTP in, HTTP out, and the process around it."""

from __future__ import annotations

from django.apps import AppConfig
from typing_extensions import override


class GatewayConfig(AppConfig):
    name = "gateway"

    @override
    def ready(self) -> None:
        from django.conf import settings  # noqa: PLC0415 - as the rest: after the settings are there

        from gateway import checks  # noqa: F401, PLC0415 - registers itself
        from gateway.invalidation.config_signal import Changes  # noqa: PLC0415
        from gateway.invalidation.signed_messages import Signer  # noqa: PLC0415
        from tenants.signals import config_changed  # noqa: PLC0415

        changes = Changes(settings.GATEWAY, Signer(settings.SECRETS.message_key))
        config_changed.connect(changes, weak=False, dispatch_uid="gateway.invalidation.config_signal")
