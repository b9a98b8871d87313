"""Azure OpenAI (Foundry): the API without dates, and the one by deployment and dated version."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from providers.auth import entra
from providers.platforms.anthropic import FAMILY, azure_claude_url, is_claude
from providers.platforms.provider import Provider
from providers.target import Target

RESPONSES: Final = "responses"  # the path of that API
_V1: Final = "/openai/v1"
_MODELS: Final = "models"  # the list of the whole resource


def is_dateless(base_url: str, api_version: str) -> bool:
    """Return whether Azure's API without dates is meant, whose body names the deployment as the model."""
    return base_url.rstrip("/").endswith(_V1) or api_version in {"", "v1", "preview", "latest"}


def wire_model(target: Target) -> str:
    """Return the model's name in a request, "" for `upstream_model`: on Azure's API without dates the deployment.

    It is the name in a dated URL, of rows with host and deployment. A name that the gateway generated (`<alias>-<n>`)
    is no deployment.
    """
    is_host = not target.base_url.rstrip("/").endswith(_V1)
    is_in_body = is_claude(target) or (is_host and is_dateless(target.base_url, target.api_version))
    if target.provider != "azure" or not is_in_body:
        return ""
    is_ours = target.name.removeprefix(f"{target.alias}-").isdecimal()
    return target.metadata.get("deployment", "") or ("" if is_ours else target.name)


def responses_model(target: Target) -> str:
    """Return the model's name in a body of Responses: Azure has no deployment in the address of that API."""
    if target.provider == "azure" and not is_dateless(target.base_url, target.api_version):
        return _deployment(target)
    return target.wire_model or target.upstream_model


def _deployment(target: Target) -> str:
    return target.metadata.get("deployment") or target.name


def _azure_url(target: Target, path: str) -> str:
    """Azure OpenAI, "REST API reference": the surface without dates, or by deployment and dated version."""
    if is_claude(target) and path != _MODELS:
        return azure_claude_url(target, path)
    base = target.base_url.rstrip("/")
    if is_dateless(target.base_url, target.api_version):
        root = base if base.endswith(_V1) else f"{base.removesuffix('/openai')}{_V1}"
        stage = f"?api-version={target.api_version}" if target.api_version in {"preview", "latest"} else ""
        return f"{root}/{path}{stage}"
    version = quote(target.api_version, safe="")
    if path == RESPONSES or path.startswith(f"{RESPONSES}/"):
        return f"{base.removesuffix('/openai')}/openai/{path}?api-version={version}"
    deployment = quote(_deployment(target), safe="")
    return f"{base.removesuffix('/openai')}/openai/deployments/{deployment}/{path}?api-version={version}"


def _scope_for(target: Target) -> str:
    """Return the scope of Entra tokens: of Foundry's API, or of the API by dated version."""
    if is_claude(target) or is_dateless(target.base_url, target.api_version):
        return "https://ai.azure.com/.default"
    return "https://cognitiveservices.azure.com/.default"


AZURE: Final = Provider(
    name="azure",
    auth=entra.AzureAuth(_scope_for),
    url=_azure_url,
    own=lambda config: (config.azure_openai_endpoint, config.azure_openai_key),
    needs_endpoint=True,
    needs_secret=False,
    credentials=entra.CREDENTIALS,
    lacks=entra.lacks,
    api_of=lambda target: FAMILY if is_claude(target) else "openai",
    cap_field="max_completion_tokens",
)
