"""WHO asks: Authorization header -> Caller, or InvalidKey. One HMAC and a dictionary lookup when warm; no SQL."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ninja.security import HttpBearer
from typing_extensions import override

from gateway import connections
from tenants.addresses import is_inside
from tenants.errors import AddressNotAllowed, InvalidKey, ScopeNotAllowed, TenantSuspended

if TYPE_CHECKING:
    from django.http import HttpRequest

    from tenants.caller import Caller

MISSING = "You did not provide an API key. Send it as 'Authorization: Bearer sk-<prefix>.<secret>'."
INVALID = "Incorrect API key provided. Keys look like 'sk-<prefix>.<secret>'."


class ApiKeyAuth(HttpBearer):
    """Ninja's bearer scheme, so that the API page documents it; the check itself is ours and async."""

    is_async = True

    @override
    async def __call__(self, request: HttpRequest) -> Caller:
        """Return the Caller. Raises InvalidKey, TooManyMisses, TenantSuspended, AddressNotAllowed, KeysUnavailable."""
        caller = await connections.live().keys.caller(token_of(request), request.client_ip)  # type: ignore[attr-defined]
        request.caller = caller  # type: ignore[attr-defined]  # so that a refusal can say where the caller stands
        check(caller, now=time.time(), address=request.client_ip)  # type: ignore[attr-defined]  # a V1Request
        request.recognize()  # type: ignore[attr-defined]
        return caller

    @override
    async def authenticate(self, request: HttpRequest, token: str) -> Any:
        return await connections.live().keys.caller(token)


def token_of(request: Any) -> str:
    """Return the key of a request: a bearer token, or `x-api-key` / `api-key` as other vendors' clients send it."""
    authorization = request.header(b"authorization")
    if authorization:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise InvalidKey(MISSING)
        return str(token.strip())
    token = request.header(b"x-api-key") or request.header(b"api-key")
    if not token:
        raise InvalidKey(MISSING)
    return str(token)


def check(caller: Caller, *, now: float, address: str) -> None:
    """Raise for a verified key that may not be used now or from here."""
    if caller.expires_at is not None and now >= caller.expires_at:
        raise InvalidKey("This API key has expired.")
    if not caller.tenant_active:
        raise TenantSuspended(caller.tenant)
    if caller.allowed_ips and not is_inside(address, caller.allowed_ips):
        raise AddressNotAllowed


def require_scope(caller: Caller, scope: str) -> None:
    """Raise ScopeNotAllowed unless the key may use this family of endpoints."""
    if caller.scopes and scope not in caller.scopes:
        raise ScopeNotAllowed(scope, caller.scopes)
