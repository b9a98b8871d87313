"""THE FRONT DOOR: HTTP in, HTTP out, and the process around it."""

from __future__ import annotations

from django.apps import AppConfig


class GatewayConfig(AppConfig):
    name = "gateway"
