"""Hugging Face: the router to its inference providers with OpenAI's API, and tasks of its own servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from providers.auth import headers
from providers.platforms.provider import Provider, ProviderProbe, plain_url
from providers.target import Target

if TYPE_CHECKING:
    from gateway.config.sections.sign_in import Providers

ROUTER: Final = "https://router.huggingface.co"
HUB: Final = "https://huggingface.co"
_TOO_MANY: Final = 429
FEATURES: Final = "pipeline/feature-extraction"


def _url(target: Target, path: str) -> str:
    """Return the address: of OpenAI's API below the base, which ends in /v1; of a task beside it, by the model."""
    if path != FEATURES:
        return plain_url(target, path)
    root = target.base_url.rstrip("/").removesuffix("/v1")
    return f"{root}/hf-inference/models/{quote(target.upstream_model, safe='/')}/{path}"


def _probes(target: Target) -> Sequence[ProviderProbe]:
    """Who the token is of: on the hub, for the router; the list of models of an endpoint of one's own.

    The hub limits how often one may ask: to be asked later is no fault of the deployment.
    """
    if urlsplit(target.base_url).hostname == urlsplit(ROUTER).hostname:
        return (ProviderProbe(f"{HUB}/api/whoami-v2", good=(200, _TOO_MANY)),)
    return (ProviderProbe(plain_url(target, "models")),)


def _own(config: Providers) -> tuple[str, str]:
    return ROUTER, config.hugging_face_token


HUGGING_FACE: Final = Provider(
    name="huggingface",
    auth=headers.hugging_face,
    url=_url,
    default_base_url=f"{ROUTER}/v1",
    own=_own,
    embeddings_api="huggingface",
    probes=_probes,
    model_first=True,
)
