"""The table of providers, and what a deployment gets where its row states nothing. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from providers.platforms.anthropic import ANTHROPIC
from providers.platforms.azure import AZURE, responses_model, wire_model
from providers.platforms.bedrock import BEDROCK
from providers.platforms.huggingface import HUGGING_FACE
from providers.platforms.openai import COMPATIBLE, OPENAI
from providers.platforms.provider import REGION, Provider
from providers.platforms.simulator import SIMULATOR
from providers.platforms.vertex import VERTEX
from providers.target import Target

if TYPE_CHECKING:
    from gateway.config.sections.sign_in import Providers

__all__ = [
    "PROVIDERS",
    "address",
    "default_base_url",
    "default_secret",
    "family_of",
    "metadata_for",
    "region_of",
    "responses_model",
    "wire_model",
]

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
PROVIDERS: Final[dict[str, Provider]] = {
    row.name: row for row in (OPENAI, COMPATIBLE, AZURE, ANTHROPIC, BEDROCK, VERTEX, HUGGING_FACE, SIMULATOR)
}


def family_of(target: Target) -> str:
    """Return the family of APIs that a target speaks, which may depend on its model."""
    row = PROVIDERS[target.provider]
    return row.api if row.api_of is None else row.api_of(target)


def default_base_url(provider: str, config: Providers) -> str:
    """Return the endpoint of a deployment that names none, or "" if there is no default."""
    row = PROVIDERS[provider]
    return row.default_base_url or row.own(config)[0].rstrip("/")


def region_of(provider: str, region: str, config: Providers) -> str:
    """Return a row's region, or the one of the configuration."""
    default = PROVIDERS[provider].region
    return region or (default(config) if default is not None else "")


def address(provider: str, endpoint: str, region: str, config: Providers) -> str:
    """Return the address of a row; REGION stays in it where no region is known."""
    base_url = (endpoint or default_base_url(provider, config)).rstrip("/")
    known = region_of(provider, region, config)
    return base_url.replace(REGION, known) if known else base_url


def metadata_for(
    provider: str, base_url: str, stated: Mapping[str, str], secret: str, config: Providers
) -> dict[str, str]:
    """Return a row's metadata; one without a credential of its own gets the configuration's, for its provider's own
    hosts only.
    """
    row = PROVIDERS[provider]
    own = {name: value for name, value in stated.items() if value}
    has_own = secret or any(own.get(name) for name in row.credentials)
    return own if has_own or not row.is_own_host(base_url) else row.own_metadata(config) | own


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
