"""Authentication at Amazon Bedrock: a Bedrock API key as bearer token, or Signature Version 4.

In this order, the first that is there: the row's API key; the row's own access key; the key of the environment
(AWS_BEARER_TOKEN_BEDROCK), for Amazon's hosts only; the usual chain (aws_credentials.py). Parts of two are never mixed.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from cachetools import FIFOCache
from typing_extensions import override

from providers.auth.aws_credentials import CredentialChain, NoCredentials
from providers.auth.scheme import Authenticator, Signable
from providers.auth.sigv4 import AwsCredentials, sign

if TYPE_CHECKING:
    from providers.target import Target

SERVICE: Final = "bedrock"
BEARER: Final = "AWS_BEARER_TOKEN_BEDROCK"
PROFILE: Final = "aws_profile"  # in a row's metadata
_MOST_KEYS: Final = 1_000
_EXPIRED: Final = frozenset({"expiredtokenexception", "expiredtoken"})
_REGION: Final = re.compile(r"\.([a-z]{2}(?:-[a-z]+)+-\d{1,2})\.")
_HOSTS: Final = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


def is_amazons(url: str) -> bool:
    """Return whether an address is one of Amazon's own hosts, over TLS."""
    parts = urlsplit(url)
    return parts.scheme == "https" and (parts.hostname or "").endswith(_HOSTS)


class AwsAuth(Authenticator):
    """Signs with the credentials of the target, else with those of the process."""

    waits = True

    def __init__(
        self,
        chain: CredentialChain | None = None,
        clock: Callable[[], float] = time.time,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._chain, self._clock, self._environment = chain or CredentialChain(), clock, environment
        self._own: FIFOCache[tuple[str, str, str], AwsCredentials] = FIFOCache(_MOST_KEYS)

    @override
    async def sign(self, request: Signable, target: Target) -> None:
        bearer = self._bearer(request, target)
        if bearer:
            request.headers["authorization"] = f"Bearer {bearer}"
            return
        credentials = self._keys_of(target) or await self._chain.get(target.metadata.get(PROFILE, ""))
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock()))
        sign(request, credentials, _region(request.url, target), SERVICE, stamp)

    @override
    def is_renewed_after(self, errors: frozenset[str], target: Target) -> bool:
        if not errors & _EXPIRED or target.secret or target.metadata.get("aws_access_key_id"):
            return False
        self._chain.discard(target.metadata.get(PROFILE, ""))
        return True

    def _bearer(self, request: Signable, target: Target) -> str:
        if target.secret:
            return target.secret.reveal()
        has_own = target.metadata.get("aws_access_key_id") or target.metadata.get(PROFILE)
        return self._environment.get(BEARER, "") if not has_own and is_amazons(request.url) else ""

    def _keys_of(self, target: Target) -> AwsCredentials | None:
        """Return the row's own access key, with the key of its day. Raises NoCredentials for a half of one."""
        metadata = target.metadata
        given = (
            metadata.get("aws_access_key_id", ""),
            metadata.get("aws_secret_access_key", ""),
            metadata.get("aws_session_token", ""),
        )
        if not given[0] and not given[1]:
            return None
        if not given[0] or not given[1]:
            raise NoCredentials("AWS: aws_access_key_id and aws_secret_access_key go together")
        found = self._own.get(given)
        if found is None:
            found = self._own[given] = AwsCredentials(*given)
        return found


def _region(url: str, target: Target) -> str:
    """Return the region that is signed for: the row's, or the one in the host's name. Raises NoCredentials."""
    found = _REGION.search(urlsplit(url).hostname or "")
    region = target.region or (found.group(1) if found is not None else "")
    if not region:
        raise NoCredentials("AWS: the row names no region")
    return region


bedrock: Final = AwsAuth()
