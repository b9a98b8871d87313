"""Azure OpenAI (Foundry): the API without dates, and the one by deployment and dated version."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from providers.auth import headers
from providers.platforms.provider import Provider
from providers.target import Target

_V1: Final = "/openai/v1"


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


AZURE: Final = Provider(
    name="azure",
    auth=headers.azure,
    url=_azure_url,
    own=lambda config: (config.azure_openai_endpoint, config.azure_openai_key),
    needs_endpoint=True,
    cap_field="max_completion_tokens",
)
