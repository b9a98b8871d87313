"""Derived secrets. (Being written.)"""

from __future__ import annotations

from gateway.config import Config


class Secrets:
    pepper = b"x" * 32
    encryption_key = b"x" * 32
    django_secret = "x" * 50
    jwt_key = b"x" * 32


def load_secrets(config: Config) -> Secrets:
    return Secrets()
