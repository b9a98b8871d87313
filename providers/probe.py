"""Asks a provider for a sign of life: its list of models, or one token of chat where it has no such list.

Cost: one small request. It uses its own client and no part of the hot path, and says only what it saw.
"""

from __future__ import annotations

import time

import httpx
import msgspec

from providers.registry import PROVIDERS
from providers.target import Target

_OK = 200
_NO_SUCH_LIST = frozenset({404, 405, 501})
_LISTS = {"azure": "openai/models"}  # below the endpoint; everywhere else `models`
_MOST_ERROR = 300


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """What one probe saw. `is_final`: asking again will not help, somebody must repair something."""

    is_ok: bool
    status: int | None = None
    latency_ms: float = 0.0
    error: str = ""

    @property
    def is_final(self) -> bool:
        return self.status in {401, 403, 404}


async def probe(client: httpx.AsyncClient, target: Target, *, can_chat: bool) -> Probed:
    """Probe one endpoint with one credential. Raises nothing that a provider can cause."""
    began = time.perf_counter()
    headers = {"accept": "application/json", "user-agent": "open-model-gateway"}
    PROVIDERS[target.provider].auth(target, headers)
    try:
        answer = await client.get(_list_url(target), headers=headers)
        if answer.status_code in _NO_SUCH_LIST and can_chat:
            answer = await client.post(_chat_url(target), headers=headers, json=_one_token(target))
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return Probed(
            is_ok=False, latency_ms=_since(began), error=f"{type(error).__name__}: {error}"[:_MOST_ERROR]
        )
    status = answer.status_code
    is_ok = status == _OK
    return Probed(
        is_ok=is_ok, status=status, latency_ms=_since(began), error="" if is_ok else f"status {status}"
    )


def _list_url(target: Target) -> str:
    base = target.base_url.rstrip("/")
    if target.provider == "azure" and not base.endswith("/v1"):
        return f"{base.removesuffix('/openai')}/{_LISTS['azure']}?api-version={target.api_version}"
    return f"{base}/models"


def _chat_url(target: Target) -> str:
    return PROVIDERS[target.provider].url(target, "chat/completions")


def _one_token(target: Target) -> dict[str, object]:
    cap = PROVIDERS[target.provider].cap_field
    return {"model": target.upstream_model, "messages": [{"role": "user", "content": "ping"}], cap: 1}


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 3)
