"""Announces that the configuration changed: to the server in this process, and in production mode to all others."""

from __future__ import annotations

from typing import Any

from gateway import runtime
from gateway.config import Config
from gateway.values.signed_messages import Signer


class ConfigChangeReceiver:
    """The receiver of tenants.config_version.config_changed; called in the thread that committed."""

    def __init__(self, config: Config, signer: Signer) -> None:
        self._signer = signer
        self._url = "" if config.embedded else config.redis.url

    def __call__(self, **_: Any) -> None:
        if runtime.is_open():
            live = runtime.current()
            if hasattr(live, "config_watcher"):
                live.config_watcher.notify()
        if self._url:
            from gateway.invalidation.pubsub import ConfigPublisher  # noqa: PLC0415 - embedded mode does without

            ConfigPublisher(self._url, self._signer).publish()
