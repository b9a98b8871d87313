"""The built-in simulator: the APIs of all vendors at one address, which the code that starts it fills in.

`metadata.api` of a row chooses the API. Also `metadata.responses: native`, as for every server with OpenAI's API.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from providers.auth import headers
from providers.platforms.provider import Provider, plain_url
from providers.target import Target

_FAMILIES: Final = frozenset({"openai", "anthropic", "bedrock", "gemini"})
_BEDROCK: Final = frozenset(
    {"converse", "converse-stream", "invoke", "invoke-with-response-stream", "count-tokens"}
)
_GEMINI: Final = frozenset(
    {
        "generateContent",
        "streamGenerateContent",
        "countTokens",
        "embedContent",
        "batchEmbedContents",
        "predict",
    }
)
_V1: Final = "/v1"


def _family(target: Target) -> str:
    stated = target.metadata.get("api", "")
    return stated if stated in _FAMILIES else "openai"


def _url(target: Target, path: str) -> str:
    """Return the address of an operation on the row's model, or of a path below /v1."""
    root = target.base_url.rstrip("/").removesuffix(_V1)
    model = quote(target.upstream_model, safe="")
    if path in _BEDROCK:
        return f"{root}/model/{model}/{path}"
    if path.partition("?")[0] in _GEMINI:
        return f"{root}/v1beta/models/{model}:{path}"
    return plain_url(target, path)


SIMULATOR: Final = Provider(
    name="simulator",
    auth=headers.none,
    url=_url,
    own=lambda _: ("", ""),
    api_of=_family,
    needs_secret=False,
)
