"""Authentication at Azure: the row's API key, else an Entra token of the row's identity or of the process's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec
from typing_extensions import override

from providers.auth.access_tokens import AccessTokens, NoToken, Token
from providers.auth.entra_credentials import (
    ABSENT,
    CLIENT,
    SECRET,
    TENANT,
    Identity,
    identity_in,
    is_installed,
    load,
)
from providers.auth.scheme import Authenticator, Signable
from providers.errors.exceptions import ConnectFailed, UpstreamFailed

if TYPE_CHECKING:
    from providers.target import Target

AUTH: Final = "azure_auth"  # `entra`: the process's own identity, if the row states none
ENTRA: Final = "entra"
SCOPE: Final = "azure_scope"
CREDENTIALS: Final = (TENANT, CLIENT, SECRET)
_AZURES: Final = (".azure.com", ".azure.us", ".azure.cn", ".windows.net")
_REFUSED: Final = frozenset(
    {"401", "unauthorized", "invalidauthenticationtoken", "expiredauthenticationtoken"}
)

Load = Callable[[Identity, str], Token]  # blocking; raises NoToken


def uses_entra(metadata: Mapping[str, str]) -> bool:
    """Return whether a row without an API key is reached with an Entra token."""
    return metadata.get(AUTH) == ENTRA or any(metadata.get(name) for name in CREDENTIALS)


def lacks(metadata: Mapping[str, str], secret: str) -> str:
    """Return why a row cannot be authenticated at Azure; "" if it can."""
    if secret:
        return ""
    if not uses_entra(metadata):
        return "no API key"
    if metadata.get(SECRET) and not (metadata.get(TENANT) and metadata.get(CLIENT)):
        return f"{SECRET} needs {TENANT} and {CLIENT}"
    if not metadata.get(SECRET) and metadata.get(AUTH) != ENTRA:
        return f"no API key, and no {SECRET}: state it, or {AUTH}: {ENTRA} for the machine's own identity"
    return "" if is_installed() else ABSENT


class AzureAuth(Authenticator):
    """Adds `api-key`, or `Authorization: Bearer` with a token of the scope that `scope_for` names."""

    waits = True

    def __init__(
        self, scope_for: Callable[[Target], str], load: Load = load, tokens: AccessTokens | None = None
    ) -> None:
        self._scope_for, self._load = scope_for, load
        self._tokens = tokens if tokens is not None else AccessTokens()

    @override
    async def sign(self, request: Signable, target: Target) -> None:
        if target.secret:
            request.headers["api-key"] = target.secret.reveal()
            return
        if not uses_entra(target.metadata):
            return
        identity, scope = identity_in(target.metadata), self._scope(target)
        if identity.is_of_process and target.is_guarded and not _is_azures(request.url):
            # A person typed the address: the process's own identity is for Azure only.
            raise _failure("the address is not Azure's: the row needs credentials of its own", is_sure=False)
        try:
            token = await self._tokens.get(_key(identity, scope), lambda: self._load(identity, scope))
        except NoToken as failure:
            if failure.is_refused:
                raise _failure(failure.why, is_sure=True) from None
            raise ConnectFailed(f"Entra: {failure.why}", kind="no_token") from None
        request.headers["authorization"] = f"Bearer {token}"

    @override
    def is_renewed_after(self, errors: frozenset[str], target: Target) -> bool:
        if not errors & _REFUSED or target.secret or not uses_entra(target.metadata):
            return False
        self._tokens.discard(_key(identity_in(target.metadata), self._scope(target)))
        return True

    def _scope(self, target: Target) -> str:
        return target.metadata.get(SCOPE) or self._scope_for(target)


def _key(identity: Identity, scope: str) -> bytes:
    stated = msgspec.json.encode([identity, scope])
    return hashlib.blake2b(stated, digest_size=20).digest()


def _is_azures(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" and (parts.hostname or "").endswith(_AZURES)


def _failure(why: str, *, is_sure: bool) -> UpstreamFailed:
    """Return the failure of a request that was not sent."""
    failed = UpstreamFailed(f"Entra: {why}", code="upstream_auth_failed")
    failed.reached, failed.kind, failed.is_sure = False, "no_token", is_sure
    return failed
