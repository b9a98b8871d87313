"""Asks a provider for the page of one model, over the transport and with the authentication of its calls. Free of
charge. Which providers have such a page, and how it is read, is one table.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import msgspec

from providers.auth import scheme
from providers.errors.exceptions import UpstreamFailed
from providers.errors.redaction import redact
from providers.exchange import USER_AGENT
from providers.json_scan.lenient import read_any
from providers.model_pages import readers
from providers.platforms.azure import is_dateless
from providers.registry import PROVIDERS
from providers.target import Target, Timeouts
from providers.transport.client import Transport, UpstreamRequest

_MOST_READ: Final = 8 * 1024 * 1024  # the router of Hugging Face lists every model at once
_MOST_ERROR: Final = 300


class Page(msgspec.Struct, frozen=True):
    """How the page of a model is addressed and read. An empty address: this target's vendor has none."""

    url: Callable[[Target, str], str]
    read: readers.Reader


class Answer(msgspec.Struct, frozen=True):
    """What a provider said of a model. `has_page` False: it publishes nothing; `error`: why it could not be asked."""

    facts: dict[str, Any] = {}
    has_page: bool = True
    error: str = ""


NO_PAGE: Final = Answer(has_page=False)


async def ask(transport: Transport, target: Target, model: str, timeout_s: float) -> Answer:
    """Return what the provider says of a model. Raises nothing that a provider can cause."""
    page = PAGES.get(target.provider)
    url = page.url(target, model) if page is not None and target.provider in PROVIDERS else ""
    if page is None or not url:
        return NO_PAGE
    try:
        status, body = await _get(transport, target, url, timeout_s)
    except (UpstreamFailed, TimeoutError) as failure:
        reason = failure.reason if isinstance(failure, UpstreamFailed) else "no answer in time"
        return Answer(error=redact(f"{type(failure).__name__}: {reason}", target.secrets())[:_MOST_ERROR])
    if status == HTTPStatus.NOT_FOUND:
        return Answer(error=f"status {status}: there is no such model, or this key may not use it")
    if status != HTTPStatus.OK:
        return Answer(error=f"status {status}")
    document = read_any(body)
    facts = page.read(document, model) if isinstance(document, dict) else None
    return Answer(error="the answer does not list the model") if facts is None else Answer(facts)


async def _get(transport: Transport, target: Target, url: str, timeout_s: float) -> tuple[int, bytes]:
    limits = Timeouts(connect=timeout_s, first_byte=timeout_s, idle=timeout_s, total=timeout_s)
    headers = {"accept": "application/json", "user-agent": USER_AGENT, **_EXTRA.get(target.provider, {})}
    request = UpstreamRequest("GET", url, headers, b"", target.is_guarded)
    await scheme.sign(PROVIDERS[target.provider].auth, request, target)
    response = await transport.send(request, limits)
    try:
        return response.status, await response.read(_MOST_READ, truncate=True)
    finally:
        await response.aclose()


def _of_model(target: Target, model: str) -> str:
    return PROVIDERS[target.provider].url(target, f"models/{quote(model, safe='')}")


def _of_list(target: Target, _model: str) -> str:
    return PROVIDERS[target.provider].url(target, "models")


def _of_azure(target: Target, _model: str) -> str:
    """Claude on Azure has no page of its own."""
    if target.facts.vendor == "anthropic":
        return ""
    base = target.base_url.rstrip("/")
    if is_dateless(base, target.api_version):
        return PROVIDERS["azure"].url(target, "models")
    return f"{base.removesuffix('/openai')}/openai/models?api-version={quote(target.api_version, safe='')}"


def _of_bedrock(target: Target, model: str) -> str:
    """Return the address at the control plane, which has a host of its own."""
    host = target.base_url.rstrip("/").replace("://bedrock-runtime.", "://bedrock.", 1)
    return f"{host}/foundation-models/{quote(model, safe='')}"


def _of_gemini(target: Target, model: str) -> str:
    """Only the API that is reached with a key states limits; Vertex's own pages do not."""
    return f"{target.base_url.rstrip('/')}/v1beta/models/{quote(model, safe='')}" if target.secret else ""


PAGES: Final[dict[str, Page]] = {
    "openai": Page(_of_model, readers.openai),
    "openai-compatible": Page(_of_list, readers.compatible),
    "azure": Page(_of_azure, readers.azure),
    "anthropic": Page(_of_model, readers.anthropic),
    "huggingface": Page(_of_list, readers.huggingface),
    "bedrock": Page(_of_bedrock, readers.bedrock),
    "vertex": Page(_of_gemini, readers.gemini),
}
_EXTRA: Final = {"anthropic": {"anthropic-version": "2023-06-01"}}
