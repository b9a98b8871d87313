"""Google's token endpoint: takes a signed assertion of a service account, and issues tokens that expire when told."""

from __future__ import annotations

import base64
import binascii
import json
import time
from typing import Any
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from tests.support.vendors.accounts import ServiceAccount

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
LIFE_S = 3600
AUDIENCE = "https://oauth2.googleapis.com/token"  # which google-auth states, whatever the address


class GoogleTokens:
    """Tokens that were issued, by account."""

    def __init__(self, token_uri: str, accounts: list[ServiceAccount]) -> None:
        self.token_uri = token_uri
        self._accounts = {account.email: account for account in accounts}
        self._valid: dict[str, str] = {}
        self.issued = 0

    def expire(self) -> int:
        """Let all tokens be expired; return how many were valid."""
        count = len(self._valid)
        self._valid.clear()
        return count

    def account_of(self, token: str) -> str | None:
        return self._valid.get(token)

    def issue(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Return status and body of the response to a form."""
        form = parse_qs(body.decode("latin-1"))
        if form.get("grant_type") != [GRANT]:
            return 400, {"error": "unsupported_grant_type"}
        try:
            account = self._verified(form["assertion"][0])
        except (KeyError, ValueError, TypeError, binascii.Error, InvalidSignature) as error:
            return 400, {"error": "invalid_grant", "error_description": f"Invalid JWT: {error!r}"}
        self.issued += 1
        token = f"ya29.{account.account}.{self.issued}"
        self._valid[token] = account.account
        return 200, {"access_token": token, "expires_in": LIFE_S, "token_type": "Bearer"}

    def _verified(self, assertion: str) -> ServiceAccount:
        """Raises ValueError and what the libraries raise."""
        signed, _, signature = assertion.rpartition(".")
        header, claims = (json.loads(_decoded(part)) for part in signed.split("."))
        account = self._accounts[claims["iss"]]
        if header["alg"] != "RS256" or header.get("kid", account.key_id) != account.key_id:
            raise ValueError("algorithm or key id")
        account.public.verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        now = time.time()
        if not claims["iat"] - 60 <= now < claims["exp"] or claims["exp"] - claims["iat"] > LIFE_S:
            raise ValueError("the assertion has expired, or is valid for more than an hour")
        if (
            claims["aud"] not in {self.token_uri, AUDIENCE}
            or SCOPE not in str(claims.get("scope", "")).split()
        ):
            raise ValueError("audience or scope")
        return account


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
