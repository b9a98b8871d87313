"""Every provider the gateway can call, one row each: how to authenticate, where to send, which API."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

import msgspec

from providers import auth

if TYPE_CHECKING:
    from gateway.config.sections.sign_in import Providers
    from providers.target import Target

Url = Callable[["Target", str], str]
Own = Callable[["Providers"], tuple[str, str]]

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_V1: Final = "/openai/v1"


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `own` reads from the configuration the one host a global key may be sent to, and that key."""

    name: str
    auth: auth.Authenticator
    url: Url
    own: Own
    default_base_url: str | None = None
    api: str = "openai"  # that it speaks (providers/dialects/choice.py)
    needs_secret: bool = True
    needs_endpoint: bool = False
    cap_field: str = "max_tokens"  # the member of an output cap if the client gave none
    cache_member: str = ""  # of a chat: it partitions its account's prompt cache (providers/tenant_salt.py)


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


def _plain_url(target: Target, path: str) -> str:
    return f"{target.base_url.rstrip('/')}/{path}"


def is_dateless(base_url: str, api_version: str) -> bool:
    """Return whether Azure's API without dates is meant, whose body names the deployment as the model."""
    return base_url.rstrip("/").endswith(_V1) or api_version in {"", "v1", "preview", "latest"}


def wire_model(target: Target) -> str:
    """Return the model's name in a request, "" for `upstream_model`: on Azure's API without dates the deployment.

    It is the name in a dated URL, of rows with host and deployment. A name that the gateway generated (`<alias>-<n>`)
    is no deployment.
    """
    is_host = not target.base_url.rstrip("/").endswith(_V1)
    if target.provider != "azure" or not is_host or not is_dateless(target.base_url, target.api_version):
        return ""
    is_ours = target.name.removeprefix(f"{target.alias}-").isdecimal()
    return target.metadata.get("deployment", "") or ("" if is_ours else target.name)


def _azure_url(target: Target, path: str) -> str:
    """Azure OpenAI, "REST API reference": the surface without dates, or by deployment and dated version."""
    base = target.base_url.rstrip("/")
    if is_dateless(target.base_url, target.api_version):
        root = base if base.endswith(_V1) else f"{base.removesuffix('/openai')}{_V1}"
        stage = f"?api-version={target.api_version}" if target.api_version in {"preview", "latest"} else ""
        return f"{root}/{path}{stage}"
    deployment = quote(target.metadata.get("deployment") or target.name, safe="")
    version = quote(target.api_version, safe="")
    return f"{base.removesuffix('/openai')}/openai/deployments/{deployment}/{path}?api-version={version}"


_ROWS: Final = (
    Provider(
        name="openai",
        auth=auth.openai,
        url=_plain_url,
        default_base_url="https://api.openai.com/v1",
        own=lambda config: ("https://api.openai.com", config.openai_key),
        cap_field="max_completion_tokens",
        cache_member="prompt_cache_key",
    ),
    Provider(
        name="openai-compatible",
        auth=auth.openai,
        url=_plain_url,
        own=lambda config: (config.openai_compatible.base_url, config.openai_compatible.api_key),
        needs_secret=False,
        needs_endpoint=True,
    ),
    Provider(
        name="azure",
        auth=auth.azure,
        url=_azure_url,
        own=lambda config: (config.azure_openai_endpoint, config.azure_openai_key),
        needs_endpoint=True,
        cap_field="max_completion_tokens",
    ),
    # The address of the simulator is known when it runs; the code that starts it fills it in.
    Provider(name="simulator", auth=auth.none, url=_plain_url, own=lambda _: ("", ""), needs_secret=False),
)
PROVIDERS: Final[dict[str, Provider]] = {row.name: row for row in _ROWS}
