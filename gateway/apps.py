"""The HTTP front end: requests, responses, and the process around them."""

from __future__ import annotations

from django.apps import AppConfig
from typing_extensions import override

from budgets.admission.interface import Admission
from gateway import runtime
from gateway.runtime import Runtime


class GatewayConfig(AppConfig):
    name = "gateway"

    @override
    def ready(self) -> None:
        from django.conf import settings  # noqa: PLC0415 - as the rest: needs the loaded settings

        import budgets.serving  # noqa: PLC0415
        import catalog.serving  # noqa: PLC0415
        from gateway import checks  # noqa: F401, PLC0415 - registers itself
        from gateway.server.config_signal import ConfigChangeReceiver  # noqa: PLC0415
        from gateway.values.signed_messages import Signer  # noqa: PLC0415
        from tenants.config_version import config_changed  # noqa: PLC0415

        changes = ConfigChangeReceiver(settings.GATEWAY, Signer(settings.SECRETS.message_key))
        config_changed.connect(changes, weak=False, dispatch_uid="gateway.server.config_signal")
        catalog.serving.install(_serving)
        budgets.serving.install(_admission)


def _serving() -> Runtime | None:
    return runtime.current() if runtime.is_open() else None


def _admission() -> Admission | None:
    live = _serving()
    return live.admission if live is not None else None
