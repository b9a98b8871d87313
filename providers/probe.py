"""Probes a provider: its own free request (`Provider.probes`), else its list of models, or one token of chat if it has
no such list.

Cost: one small request, over the transport of the calls, with the same egress rules.
"""

from __future__ import annotations

import re
import time

import msgspec

from providers.auth import scheme
from providers.errors.exceptions import UpstreamFailed
from providers.errors.messages import read_error
from providers.errors.redaction import redact
from providers.exchange import USER_AGENT
from providers.json_scan.lenient import read_any
from providers.platforms.azure import is_dateless
from providers.registry import PROVIDERS
from providers.request_additions import stated
from providers.target import Target, Timeouts
from providers.transport.client import Transport, UpstreamRequest

_OK = 200
_BAD_REQUEST = 400
_NO_SUCH_LIST = frozenset({404, 405, 501})
_ABSENT = 404
_REFUSED = frozenset({401, 403})
NO_MODEL = "no such model"
_AZURE = "azure"  # its list has models, its calls name deployments
PLAIN_TO_TLS = "plain HTTP was sent to an HTTPS port"
_REQUIRES_TLS = re.compile(
    rb"to (an? )?(HTTPS|TLS|SSL-enabled) (server|port)", re.IGNORECASE
)  # nginx, Go, Apache
_MOST_ERROR = 300
_MOST_READ_OF_ERROR = 2048
_MOST_READ = 1024 * 1024


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one probe. `is_final`: another probe will not help, an operator must repair something."""

    is_ok: bool
    status: int | None = None
    latency_ms: float = 0.0
    error: str = ""
    models: frozenset[str] = frozenset()  # that the provider lists, if its list can be read

    @property
    def is_final(self) -> bool:
        return self.status in {401, 403, 404}


async def probe(transport: Transport, target: Target, timeout_s: float, *, can_chat: bool) -> Probed:
    """Probe one endpoint with one credential. Raises nothing that a provider can cause."""
    began = time.perf_counter()
    limits = Timeouts(connect=timeout_s, first_byte=timeout_s, idle=timeout_s, total=timeout_s)
    try:
        status, listed = await _ask_all(transport, target, limits, can_chat=can_chat)
    except UpstreamFailed as failure:
        error = redact(f"{type(failure).__name__}: {failure.reason}", target.secrets())
        return Probed(is_ok=False, latency_ms=_since(began), error=error[:_MOST_ERROR])
    is_ok = status == _OK
    return Probed(
        is_ok=is_ok,
        status=status,
        latency_ms=_since(began),
        error="" if is_ok else _error_of(status, listed, target),
        models=_models_in(listed) if is_ok and target.provider != _AZURE else frozenset(),
    )


async def _ask_all(
    transport: Transport, target: Target, limits: Timeouts, *, can_chat: bool
) -> tuple[int, bytes]:
    """Return the answer to the first question that the provider does not refuse to understand."""
    probes = PROVIDERS[target.provider].probes
    if probes is not None:
        status, found = 0, b""
        for each in probes(target):
            status, found = await _ask(transport, target, limits, each.url, each.body)
            if status in each.good:
                return _OK, found
        return status, found
    status, listed = await _ask(transport, target, limits, _list_url(target), None)
    if status in _NO_SUCH_LIST and can_chat:
        return await _ask(transport, target, limits, _chat_url(target), _one_token(target))
    return status, listed


def _error_of(status: int, body: bytes, target: Target) -> str:
    """Return the text shown for an error; of its body only that the port requires TLS."""
    if status == _ABSENT and PROVIDERS[target.provider].probes is not None:
        return f"status {status}: {NO_MODEL}"
    is_plain = status == _BAD_REQUEST and target.base_url.lower().startswith("http:")
    requires_tls = is_plain and _REQUIRES_TLS.search(body[:_MOST_READ_OF_ERROR])
    return f"status {status}: {PLAIN_TO_TLS}" if requires_tls else f"status {status}"


def _models_in(body: bytes) -> frozenset[str]:
    """Return the ids of a list of models (OpenAI, "List models"); none if it is no such list."""
    try:
        return frozenset(model.id for model in msgspec.convert(read_any(body), _Models).data)
    except msgspec.ValidationError:
        return frozenset()


async def _ask(
    transport: Transport, target: Target, limits: Timeouts, url: str, body: bytes | None
) -> tuple[int, bytes]:
    """Return the status of the response and its body, up to the limit. Redirects are not followed."""
    own = PROVIDERS[target.provider].headers
    headers = {"accept": "application/json", "user-agent": USER_AGENT, **(own(target) if own else {})}
    if body is not None:
        headers["content-type"] = "application/json"
    method = "GET" if body is None else "POST"
    request = UpstreamRequest(method, url, headers, body or b"", target.is_guarded)
    auth = PROVIDERS[target.provider].auth
    status, found = await _exchange(transport, auth, request, target, limits)
    if status in _REFUSED and auth.is_renewed_after(read_error(found).names | {str(status)}, target):
        return await _exchange(transport, auth, request, target, limits)
    return status, found


async def _exchange(
    transport: Transport,
    auth: scheme.Authenticator,
    request: UpstreamRequest,
    target: Target,
    limits: Timeouts,
) -> tuple[int, bytes]:
    await scheme.sign(auth, request, target)
    response = await transport.send(request, limits)
    try:
        return response.status, await response.read(_MOST_READ, truncate=True)
    finally:
        await response.aclose()


def _list_url(target: Target) -> str:
    base = target.base_url.rstrip("/")
    if target.provider == _AZURE and not is_dateless(base, target.api_version):
        return f"{base.removesuffix('/openai')}/openai/models?api-version={target.api_version}"
    return PROVIDERS[target.provider].url(target, "models")


def _chat_url(target: Target) -> str:
    return PROVIDERS[target.provider].url(target, "chat/completions")


def _one_token(target: Target) -> bytes:
    cap = stated(target).cap or "max_tokens"
    model = target.wire_model or target.upstream_model
    question = {"model": model, "messages": [{"role": "user", "content": "ping"}], cap: 1}
    return msgspec.json.encode(question)


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 3)
