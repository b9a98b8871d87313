"""Authentication: Authorization header -> Caller, or InvalidKey. One HMAC and a dictionary lookup when warm; no SQL."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ninja.security import HttpBearer
from typing_extensions import override

from tenants.addresses import is_inside
from tenants.errors import (
    AccessDenied,
    AddressNotAllowed,
    InvalidKey,
    KeysUnavailable,
    ScopeNotAllowed,
    TenantSuspended,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.http import HttpRequest

    from tenants.api_keys.cache import KeyCache
    from tenants.caller import Caller

MISSING = "You did not provide an API key. Send it as 'Authorization: Bearer sk-<prefix>.<secret>'."
KEY_HEADERS = (b"x-api-key", b"api-key")
MOST_KEYS = 4  # of one request that are tried


class ApiKeyAuth(HttpBearer):
    """Ninja's bearer scheme, so that the API page documents it; the check itself is ours and async."""

    is_async = True

    def __init__(
        self,
        keys: Callable[[], KeyCache],
        accepted: Callable[[Any, Caller], object] = lambda *_: None,
    ) -> None:
        """`keys` returns the cache of this process; its error when nothing is served is passed on.

        `accepted` gets each request whose key may be used, with its caller.
        """
        super().__init__()
        self._keys, self._accepted = keys, accepted

    @override
    async def __call__(self, request: HttpRequest) -> Caller:
        """Return the Caller. Raises InvalidKey, TooManyMisses, TenantSuspended, AddressNotAllowed, KeysUnavailable."""
        tokens = tokens_of(request)
        try:
            caller = await self._caller(request, tokens[0])
        except (AccessDenied, KeysUnavailable) as refusal:
            if len(tokens) == 1:
                raise
            caller = await self._another(request, tokens[1:], refusal)
        self._accepted(request, caller)
        return caller

    @override
    async def authenticate(self, request: HttpRequest, token: str) -> Any:
        return await self._keys().caller(token)

    async def _caller(self, request: Any, token: str) -> Caller:
        """Return the owner of this key, if it may be used now."""
        address = request.client_ip
        caller = await self._keys().caller(token, address)
        try:
            check(caller, now=time.time(), address=address)
        except AccessDenied as refusal:
            refusal.verified = caller  # so that the response can state the caller's limit status
            raise
        return caller

    async def _another(self, request: Any, tokens: Sequence[str], refusal: Exception) -> Caller:
        """Return the owner of the first usable key. Raises the most informative refusal if there is none."""
        for token in tokens:
            try:
                return await self._caller(request, token)
            except (AccessDenied, KeysUnavailable) as another:
                if isinstance(refusal, InvalidKey):
                    refusal = another
        raise refusal


def tokens_of(request: Any) -> Sequence[str]:
    """Return the keys of a request, in the order in which they are tried. Raises InvalidKey if there is none.

    A bearer token, or `x-api-key` / `api-key` as other vendors' clients send it. A proxy, a gateway in front or a
    client's defaults may add a credential of their own beside it.
    """
    authorization = request.header(b"authorization")
    given = request.raw_headers
    is_alone = len(given) == len(request.scope["headers"]) and not (
        b"x-api-key" in given or b"api-key" in given
    )
    scheme, _, token = authorization.partition(" ")
    if is_alone and "," not in token and scheme.lower() == "bearer" and token:
        return (str(token.strip()),)
    tokens = [each for value in request.values(b"authorization") for each in _bearers(value)]
    for name in KEY_HEADERS:
        tokens += [value for value in request.values(name) if value]
    if not tokens:
        raise InvalidKey(MISSING)
    return tuple(dict.fromkeys(tokens))[:MOST_KEYS]


def _bearers(value: str) -> list[str]:
    """Return the tokens of one header; several headers of one name may arrive as a list (RFC 9110, 5.3)."""
    tokens = []
    for credential in (value, *value.split(",")) if "," in value else (value,):
        scheme, _, token = credential.strip().partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            tokens.append(token.strip())
    return tokens


def check(caller: Caller, *, now: float, address: str) -> None:
    """Raise for a verified key that may not be used now or from this address."""
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
