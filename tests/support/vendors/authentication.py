"""Who calls a vendor, by the credential of the request, and whether its headers and versions are the vendor's."""

from __future__ import annotations

from urllib.parse import parse_qs

from providers.simulator.core.errors import SimulatorError
from tests.support.provider.http import Request
from tests.support.vendors.accounts import ENTRA_TOKENS, KEYS
from tests.support.vendors.google_tokens import GoogleTokens
from tests.support.vendors.sigv4 import Refused, verify

ANTHROPIC_VERSIONS = frozenset({"2023-06-01", "2026-10-21"})
_FREE_VERSIONS = (None, "v1", "preview", "latest")


def account_of(vendor: str, request: Request, tokens: GoogleTokens) -> str:
    """Return the account. Raises SimulatorError with the vendor's status and words."""
    check = {
        "anthropic": _anthropic,
        "azure": _azure,
        "bedrock": _bedrock,
    }.get(vendor)
    if vendor == "vertex":
        return _vertex(request, tokens)
    return _bearer(vendor, request) if check is None else check(request)


def _known(vendor: str, key: str, more: dict[str, str] | None = None) -> str:
    account = {**KEYS[vendor], **(more or {})}.get(key)
    if account is None:
        raise SimulatorError("Incorrect API key provided.", status=401, code="invalid_api_key")
    return account


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme == "Bearer" else ""


def _bearer(vendor: str, request: Request) -> str:
    return _known(vendor, _token(request))


def _anthropic(request: Request) -> str:
    key, token = request.headers.get("x-api-key"), _token(request)
    if key and token:
        raise SimulatorError("Send x-api-key or Authorization, not both.", status=401)
    check_anthropic_version(request)
    try:
        return _known("anthropic", key or token)
    except SimulatorError:
        raise SimulatorError("invalid x-api-key", status=401) from None


def check_anthropic_version(request: Request) -> None:
    version = request.headers.get("anthropic-version")
    if version is None:
        raise SimulatorError("anthropic-version: header is required")
    if version not in ANTHROPIC_VERSIONS:
        raise SimulatorError(f"anthropic-version: {version!r} is not a valid version")


def _azure(request: Request) -> str:
    version = parse_qs(request.query).get("api-version", [None])[0]
    is_claude = request.path.startswith("/anthropic/")
    if request.path.startswith("/openai/v1/"):
        if version not in _FREE_VERSIONS:
            raise SimulatorError("api-version query parameter is not allowed when using /v1 path")
    elif not is_claude and (version is None or len(version) < len("2024-10-21")):
        raise SimulatorError("Resource not found", status=404, code="404")
    if is_claude:
        check_anthropic_version(request)
    keys = [request.headers.get("api-key"), request.headers.get("x-api-key") if is_claude else None]
    given = [key for key in (*keys, _token(request)) if key]
    if len(given) != 1:
        raise SimulatorError("Access denied: exactly one credential is expected.", status=401, code="401")
    return _known("azure", given[0], ENTRA_TOKENS if _token(request) else None)


def _bedrock(request: Request) -> str:
    """Raises SimulatorError, whose `code` is the name of the exception."""
    if token := _token(request):
        try:
            return _known("bedrock", token)
        except SimulatorError:
            raise SimulatorError(
                "The API key is not valid.", status=403, code="AccessDeniedException"
            ) from None
    try:
        return verify(request, "bedrock")
    except Refused as refused:
        raise SimulatorError(refused.message, status=403, code=refused.name) from refused


def _vertex(request: Request, tokens: GoogleTokens) -> str:
    key = request.headers.get("x-goog-api-key")
    if key is not None:
        if "/projects/" in request.path or _token(request):
            raise SimulatorError("API keys are not supported by this API.", status=401)
        if key not in KEYS["vertex"]:
            raise SimulatorError("API key not valid. Please pass a valid API key.", status=400)
        return KEYS["vertex"][key]
    account = tokens.account_of(_token(request))
    if account is None:
        raise SimulatorError("Request had invalid authentication credentials.", status=401)
    return account
