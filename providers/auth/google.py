"""Authentication at Google: OAuth2 access tokens of the row's service account or of the process, or an API key.

A token is valid for an hour. It is kept, renewed beside the calls before it expires, and discarded if it is refused.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from cachetools import LRUCache
from typing_extensions import override

from gateway.values.single_flight import SingleFlight
from providers.auth.google_credentials import NoToken, Token, Tokens, is_googles
from providers.auth.scheme import Authenticator, Signable
from providers.errors.exceptions import ConnectFailed, UpstreamFailed

if TYPE_CHECKING:
    from providers.target import Target

CREDENTIALS: Final = "gcp_credentials_json"  # in a row's metadata
QUOTA_PROJECT: Final = "gcp_quota_project"
EARLY_S: Final = (
    300.0  # before a token expires, it is renewed beside the calls; at most a quarter of its life
)
LATEST_S: Final = 10.0  # before that, calls wait for the new one; at most a tenth of its life
FAILED_S: Final = 5.0  # for which a failure is kept
_MOST: Final = 1_000  # credentials
_REFUSED: Final = frozenset({"401", "unauthenticated", "access_token_expired"})

Load = Callable[[str], Token]  # of a credential's JSON ("": the process's own). Blocking. Raises NoToken


class _Known:
    """`token` is used until `wait_at`, and renewed from `renew_at` on."""

    __slots__ = ("failed_at", "failure", "renew_at", "token", "wait_at")

    def __init__(self, token: Token | None = None, now: float = 0.0) -> None:
        self.token = token
        self.failure: NoToken | None = None
        self.failed_at = self.renew_at = self.wait_at = 0.0
        if token is not None:
            life = max(0.0, token.expires_at - now)
            self.renew_at = token.expires_at - min(EARLY_S, life / 4)
            self.wait_at = token.expires_at - min(LATEST_S, life / 10)

    def has_failed(self, failure: NoToken, now: float) -> None:
        self.failure, self.failed_at = failure, now


def has_api_key(metadata: Mapping[str, str], *, has_secret: bool) -> bool:
    """Whether a row is reached with an API key: it has one, and no service account."""
    return has_secret and not metadata.get(CREDENTIALS)


class GoogleAuth(Authenticator):
    """Adds the target's API key, or an access token. `clock` is Unix time."""

    waits = True

    def __init__(self, load: Load | None = None, clock: Callable[[], float] = time.time) -> None:
        self._load, self._clock = load or Tokens().load, clock
        self._known: LRUCache[bytes, _Known] = LRUCache(_MOST)
        self._flights: WeakKeyDictionary[asyncio.AbstractEventLoop, SingleFlight[bytes, None]] = (
            WeakKeyDictionary()
        )

    @override
    async def sign(self, request: Signable, target: Target) -> None:
        if has_api_key(target.metadata, has_secret=bool(target.secret)):
            request.headers["x-goog-api-key"] = target.secret.reveal()
            return
        given = target.metadata.get(CREDENTIALS, "")
        if not given and target.is_guarded and not is_googles(request.url):
            # A person typed the address: the process's own identity is for Google only.
            raise _failure("the address is not Google's: the row needs credentials of its own", is_sure=False)
        request.headers["authorization"] = f"Bearer {await self._token(given)}"
        if project := target.metadata.get(QUOTA_PROJECT):
            request.headers["x-goog-user-project"] = project

    @override
    def is_renewed_after(self, errors: frozenset[str], target: Target) -> bool:
        if not errors & _REFUSED or has_api_key(target.metadata, has_secret=bool(target.secret)):
            return False
        self._known.pop(_key(target.metadata.get(CREDENTIALS, "")), None)
        return True

    async def _token(self, given: str) -> str:
        """Return a valid token. Raises UpstreamFailed."""
        key, now = _key(given), self._clock()
        known = self._known.get(key) or _Known()
        if known.token is not None and now < known.wait_at:
            if now >= known.renew_at and now >= known.failed_at + FAILED_S:
                self._flight.start(key, lambda: self._renew(key, given))
            return known.token.text
        if known.failure is None or now >= known.failed_at + FAILED_S:
            await self._flight.run(key, lambda: self._renew(key, given))
            known = self._known.get(key) or known
        if known.failure is not None:
            raise _of_no_token(known.failure)
        if known.token is None:
            raise _failure("the token was discarded while it was waited for", is_sure=False)
        return known.token.text

    async def _renew(self, key: bytes, given: str) -> None:
        try:
            token = await asyncio.to_thread(self._load, given)
        except NoToken as failure:
            known = self._known.get(key) or _Known()  # a token that is still valid is used on
            known.has_failed(failure, self._clock())
        else:
            known = _Known(token, self._clock())
        self._known[key] = known

    @property
    def _flight(self) -> SingleFlight[bytes, None]:
        loop = asyncio.get_running_loop()
        flight = self._flights.get(loop)
        if flight is None:
            flight = self._flights[loop] = SingleFlight()
        return flight


def _key(given: str) -> bytes:
    return hashlib.blake2b(given.encode("utf-8", "replace"), digest_size=20).digest()


def _of_no_token(failure: NoToken) -> UpstreamFailed:
    if failure.is_refused:
        return _failure(failure.why, is_sure=True)
    return ConnectFailed(f"Google: {failure.why}", kind="no_token")


def _failure(why: str, *, is_sure: bool) -> UpstreamFailed:
    """Return the failure of a request that was not sent."""
    failed = UpstreamFailed(f"Google: {why}", code="upstream_auth_failed")
    failed.reached, failed.kind, failed.is_sure = False, "no_token", is_sure
    return failed


google: Final = GoogleAuth()
