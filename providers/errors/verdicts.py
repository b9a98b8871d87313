"""The verdict on a provider's error: the fault, whether another deployment may succeed, the client's response. Pure.

| status | fault | decided by |
|---|---|---|
| 401 | the credential, certainly | the status |
| 402; 429 with such a code | the operator's account, certainly; "can only afford" is about one request | status, code |
| 403, 400 | the request (moderation, a firewall's page, too long), else perhaps the credential | the body |
| 413; 429 "request too large" | the request | status, words |
| 400, 406, 422, 451 | the request, unless they name the account, the key, a limit or the model | the body |
| 404 | none: of a model (the operator's name), of a parameter (the client's), else of the path | both |
| 408, 409, 410, 425, 3xx | none: another deployment may succeed | the status |
| other 4xx | as 400 if the body reports it, else none: caused by an address or a proxy, by no request | both |
| 5xx | the deployment, unless a code reports a moderation refusal | status, code |

A fault that is only perhaps the credential's ejects the deployment for the tenants whose calls fail, and for all once
the calls of two tenants fail (providers/resilience/circuit_breaker.py). So no tenant's request takes a deployment from
others.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from providers.errors.known_errors import (
    has_flag,
    is_absent_model,
    is_account,
    is_beyond_credit,
    is_flagged,
    is_key,
    is_limit,
    is_model,
    is_starting,
    is_too_large,
    is_too_long,
)
from providers.errors.messages import ProviderMessage, read_error

Fault = Literal["deployment", "credential", "account", "limit", "request", "none"]
CONTEXT_WINDOW: Final = "context_window"
CONTENT_FILTER: Final = "content_filter"
NO_PATH: Final = "path_not_found"
_CODES: Final = {"credential": "upstream_auth_failed", "account": "upstream_account_exhausted"}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The meaning of an error. `kind` names it in metrics; `fallback_reason`: another model might accept the request.

    `is_sure`: one such error is enough to eject the deployment, whichever tenant's call failed.
    """

    fault: Fault
    retryable: bool
    code: str
    answer_status: int
    kind: str
    is_sure: bool = False
    fallback_reason: str = ""


def _request(kind: str, status: int, *, retryable: bool = False, fallback_reason: str = "") -> Verdict:
    return Verdict(
        fault="request",
        retryable=retryable,
        code="upstream_refused",
        answer_status=status,
        kind=kind,
        fallback_reason=fallback_reason,
    )


def _elsewhere(kind: str, fault: Fault = "none", *, code: str = "upstream_error") -> Verdict:
    return Verdict(fault=fault, retryable=True, code=code, answer_status=502, kind=kind)


def _operators(fault: Literal["credential", "account"], *, is_sure: bool) -> Verdict:
    """Return the verdict for the operator's credential or account at the provider."""
    return Verdict(
        fault=fault,
        retryable=True,
        code=_CODES[fault],
        answer_status=502,
        kind=fault,
        is_sure=is_sure,
    )


_ABSENT: Final = "upstream_model_not_found"  # of every 404: the model or its path is not there
_NO_MODEL: Final = _elsewhere("model_not_found", code=_ABSENT)
_KNOWN: Final[dict[int, Verdict]] = {
    401: _operators("credential", is_sure=True),
    410: _NO_MODEL,
    408: _elsewhere("status_408"),
    409: _elsewhere("status_409"),
    425: _elsewhere("status_425"),
    # Proxies and nginx close a connection with this if the body is too large; servers send it for too many tokens.
    413: _request("too_large", 413, fallback_reason=CONTEXT_WINDOW),
}
_LIMITED: Final = Verdict(
    fault="limit", retryable=True, code="upstream_rate_limited", answer_status=429, kind="rate_limited"
)
USED_UP: Final = _operators("account", is_sure=False)  # of a limit of the month: no wait of minutes helps
_OF_REQUESTS: Final = frozenset({400, 403, 406, 422, 451})  # a client's request may cause them


def verdict_on(status: int, body: bytes, message: ProviderMessage | None = None) -> Verdict:
    """Judge a status that is not 2xx. A fault of the request is the client's; the rest may succeed elsewhere."""
    message = read_error(body) if message is None else message
    if status < 400:  # noqa: PLR2004 - HTTP's redirects, which are never followed
        return _elsewhere("redirect")
    if status >= 500:  # noqa: PLR2004 - HTTP's server errors
        return _of_server(status, message)
    if status == 402:  # noqa: PLR2004
        return _operators("account", is_sure=not is_beyond_credit(message))
    if status == 429:  # noqa: PLR2004
        return _of_limit(message)
    absent = _of_absence(message) if status == 404 else None  # noqa: PLR2004
    found = absent or _KNOWN.get(status) or _of_body(status, message)
    if found is not None:
        return found
    return _request(f"status_{status}", status) if status in _OF_REQUESTS else _elsewhere(f"status_{status}")


def verdict_in_stream(error: bytes, message: ProviderMessage | None = None) -> Verdict | None:
    """Judge an error that is the first event of a stream with status 200; None: it is not about the request."""
    message = read_error(error) if message is None else message
    if message.status is not None and message.status < 500:  # noqa: PLR2004
        found = verdict_on(message.status, error, message)
        return found if found.fault in ("request", "limit", "account", "credential") else None
    if is_too_long(message):
        return _request("too_long", 400, fallback_reason=CONTEXT_WINDOW)
    if has_flag(message):
        return _request("flagged", 403, fallback_reason=CONTENT_FILTER)
    return _of_operator(message, by_name=True)


def _of_server(status: int, message: ProviderMessage) -> Verdict:
    if has_flag(message):  # another deployment may accept it, and this one is healthy
        return _request("flagged", 403, retryable=True, fallback_reason=CONTENT_FILTER)
    if status == 500 and is_too_long(message):  # noqa: PLR2004 - as Ollama and llama.cpp send it
        return _request("too_long", 400, fallback_reason=CONTEXT_WINDOW)
    return _elsewhere("server_error", "deployment")


def _of_limit(message: ProviderMessage) -> Verdict:
    if is_too_large(message):
        return _request("too_large", 413, retryable=True, fallback_reason=CONTEXT_WINDOW)
    if is_account(message, by_name=True):
        return _operators("account", is_sure=not is_beyond_credit(message))
    return _elsewhere("not_ready", "deployment") if is_starting(message) else _LIMITED


def _of_absence(message: ProviderMessage) -> Verdict:
    """Judge a 404 (RFC 9110, section 15.5.5): of a model, of something that the request names, or of the path."""
    if is_absent_model(message):
        return _NO_MODEL
    return _elsewhere("status_404" if message.param else NO_PATH, code=_ABSENT)


def _of_body(status: int, message: ProviderMessage) -> Verdict | None:
    """Judge an error that may be about the request, or about the operator's credential, account or model."""
    if message.is_page:
        # A firewall in front of the provider: another deployment has none, or another one.
        return _request("firewall", status, retryable=True)
    if is_too_long(message):
        return _request("too_long", status, fallback_reason=CONTEXT_WINDOW)
    if is_flagged(message):
        return _request("flagged", status, fallback_reason=CONTENT_FILTER)
    found = _of_operator(message)
    if found is None and status == 403:  # noqa: PLR2004
        return _operators("credential", is_sure=False)
    return _NO_MODEL if found is None and is_model(message) else found


def _of_operator(message: ProviderMessage, *, by_name: bool = False) -> Verdict | None:
    """Judge errors for the operator: the account, a limit, the credential. `by_name`: words are not enough."""
    if is_account(message, by_name=by_name):
        return _operators("account", is_sure=False)
    if is_limit(message):
        return _of_limit(message)
    return _operators("credential", is_sure=False) if is_key(message, by_name=by_name) else None
