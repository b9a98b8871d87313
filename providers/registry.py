"""The table of providers, and what a deployment gets where its row states nothing. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from providers.platforms.azure import AZURE, wire_model
from providers.platforms.openai import COMPATIBLE, OPENAI, SIMULATOR
from providers.platforms.provider import Provider
from providers.target import Target

if TYPE_CHECKING:
    from gateway.config.sections.sign_in import Providers

__all__ = ["PROVIDERS", "default_base_url", "default_secret", "family_of", "wire_model"]

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
PROVIDERS: Final[dict[str, Provider]] = {row.name: row for row in (OPENAI, COMPATIBLE, AZURE, SIMULATOR)}


def family_of(target: Target) -> str:
    """Return the family of APIs that a target speaks, which may depend on its model."""
    row = PROVIDERS[target.provider]
    return row.api if row.api_of is None else row.api_of(target)


def default_base_url(provider: str, config: Providers) -> str:
    """Return the endpoint of a deployment that names none, or "" if there is no default."""
    row = PROVIDERS[provider]
    return row.default_base_url or row.own(config)[0].rstrip("/")


def default_secret(provider: str, base_url: str, config: Providers) -> str:
    """Return the global key of a provider, but only for the provider's own host; "" for any other."""
    own_url, key = PROVIDERS[provider].own(config)
    origin = _origin(base_url)
    return key if key and origin is not None and origin == _origin(own_url) else ""


def _origin(url: str) -> tuple[str, str, int | None] | None:
    """Return scheme, host and port, or None for a URL that two parsers might read differently."""
    if not url.isascii() or not url.isprintable() or any(mark in url for mark in "\\@ "):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme]
