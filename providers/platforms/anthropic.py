"""Anthropic's Messages API, and where else Claude takes its shape: Azure, Bedrock (invoke) and Vertex (rawPredict).

Sources: Anthropic's API reference ("Versions", "Beta headers"); AWS, "Anthropic Claude Messages API"; Google, "Claude
models: rawPredict"; Microsoft, "Claude in Foundry".
"""

from __future__ import annotations

from typing import Final, Literal
from urllib.parse import quote

import msgspec

from providers.auth import headers
from providers.platforms.provider import Provider, ProviderProbe
from providers.target import Target

VERSION: Final = "2023-06-01"
FAMILY: Final = "anthropic"
_BEDROCK_VERSION: Final = "bedrock-2023-05-31"
_VERTEX_VERSION: Final = "vertex-2023-10-16"
_V1: Final = "/v1"
_AZURE_PATH: Final = "/anthropic"

# Beta flags of both clouds. One that they do not know is 400, so no other flag is sent there.
_CLOUD_BETAS: Final = frozenset(
    {
        "computer-use-2024-10-22", "computer-use-2025-01-24", "computer-use-2025-11-24", "context-1m-2025-08-07",
        "context-management-2025-06-27", "dev-full-thinking-2025-05-14", "effort-2025-11-24",
        "fine-grained-tool-streaming-2025-05-14", "interleaved-thinking-2025-05-14", "output-128k-2025-02-19",
        "thinking-binding-controls-2026-08-01", "token-efficient-tools-2025-02-19", "tool-examples-2025-10-29",
        "tool-search-tool-2025-10-19",
    }
)  # fmt: skip

Framing = Literal["sse", "aws"]


class AnthropicPlatform(msgspec.Struct, frozen=True, kw_only=True):
    """How one place takes a body of the Messages API.

    `body_version`: `anthropic_version` in the body, "": it is a header. `names_model`, `names_stream`: whether the body
    has `model` and `stream`, or the path. `betas`: the flags that may be sent, None: all; `betas_in_body`: as an array.
    `path`, `stream_path`: what the provider's address is completed with.
    """

    body_version: str = ""
    names_model: bool = True
    names_stream: bool = True
    betas: frozenset[str] | None = None
    betas_in_body: bool = False
    path: str = "messages"
    stream_path: str = "messages"
    framing: Framing = "sse"
    strict_tools: bool = True

    def flags(self, header: str) -> tuple[str, ...]:
        """Return the beta flags of a client's header that may be sent here, each once, in its order."""
        given = dict.fromkeys([flag for each in header.split(",") if (flag := each.strip())])
        return tuple([flag for flag in given if self.betas is None or flag in self.betas])


_DIRECT: Final = AnthropicPlatform()
PLATFORMS: Final[dict[str, AnthropicPlatform]] = {
    "anthropic": _DIRECT,
    "azure": _DIRECT,
    "bedrock": AnthropicPlatform(
        body_version=_BEDROCK_VERSION,
        names_model=False,
        names_stream=False,
        betas=_CLOUD_BETAS,
        betas_in_body=True,
        path="invoke",
        stream_path="invoke-with-response-stream",
        framing="aws",
    ),
    "vertex": AnthropicPlatform(
        body_version=_VERTEX_VERSION,
        names_model=False,
        betas=_CLOUD_BETAS,
        betas_in_body=True,
        path="rawPredict",
        stream_path="streamRawPredict",
        strict_tools=False,
    ),
}


def platform_for(target: Target) -> AnthropicPlatform:
    return PLATFORMS.get(target.provider, _DIRECT)


def platform_headers(target: Target, *, beta: str = "", version: str = "") -> dict[str, str]:
    """Return the headers of the API: the version, the client's (`version`) first, and the beta flags."""
    platform = platform_for(target)
    found = {} if platform.body_version else {"anthropic-version": version or version_at(target)}
    flags = () if platform.betas_in_body else platform.flags(beta)
    return {**found, "anthropic-beta": ",".join(flags)} if flags else found


def version_at(target: Target) -> str:
    """Return the API's version: a row's own. On Azure a row's `api_version` is that of Azure's API."""
    return VERSION if target.provider == "azure" else target.api_version or VERSION


def body_version(target: Target) -> str:
    """Return `anthropic_version` for a body, "" where it is a header: a row's own, or the platform's."""
    platform = platform_for(target)
    return platform.body_version and (target.metadata.get("anthropic_version") or platform.body_version)


def is_claude(target: Target) -> bool:
    """Return whether a row of a provider of several vendors' models is of Claude."""
    return FAMILY in (target.facts.vendor, target.metadata.get("publisher"))


def azure_claude_url(target: Target, path: str) -> str:
    """Return the address of Claude at Azure's Foundry: the resource's host, whatever of Azure's paths follows it."""
    base = target.base_url.rstrip("/")
    for end in (_V1, "/openai", _AZURE_PATH):
        base = base.removesuffix(end)
    return f"{base}{_AZURE_PATH}{_V1}/{path}"


def _url(target: Target, path: str) -> str:
    """The endpoint is the host; one that ends in /v1 is accepted."""
    return f"{target.base_url.rstrip('/').removesuffix(_V1)}{_V1}/{path}"


def _probes(target: Target) -> tuple[ProviderProbe, ...]:
    model = quote(target.wire_model or target.upstream_model, safe="")
    return (ProviderProbe(_url(target, f"models/{model}")),)


ANTHROPIC: Final = Provider(
    name="anthropic",
    auth=headers.anthropic,
    url=_url,
    default_base_url="https://api.anthropic.com",
    own=lambda config: ("https://api.anthropic.com", config.anthropic_key),
    api=FAMILY,
    model_types=frozenset({"llm"}),
    probes=_probes,
    headers=platform_headers,
)
