"""Calls of the vendors without a gateway: requests by hand, with each vendor's own credentials."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.support.provider.http import Request
from tests.support.vendors.google_tokens import GRANT, SCOPE
from tests.support.vendors.sigv4 import canonical_request, signature

HI = [{"role": "user", "content": "Hi"}]
MESSAGES = {"model": "claude-sonnet-4-5", "max_tokens": 100, "messages": HI}
VERSION = {"anthropic-version": "2023-06-01"}


def post(url: str, body: Any, **headers: str) -> httpx.Response:
    """Post JSON; underscores in the names of headers are hyphens."""
    return httpx.post(
        url, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def assertion(document: dict[str, Any], **claims: Any) -> str:
    """Return the signed assertion of a service account; `claims` lie over the right ones."""
    now = int(time.time())
    right = {
        "iss": document["client_email"],
        "aud": document["token_uri"],
        "scope": SCOPE,
        "iat": now,
        "exp": now + 3600,
    }
    header = {"alg": "RS256", "typ": "JWT", "kid": document["private_key_id"]}
    signed = b".".join(_encoded(json.dumps(part).encode()) for part in (header, {**right, **claims}))
    key = serialization.load_pem_private_key(document["private_key"].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return (signed + b"." + _encoded(key.sign(signed, padding.PKCS1v15(), hashes.SHA256()))).decode()


def exchange(document: dict[str, Any], text: str) -> httpx.Response:
    """Exchange an assertion for an access token."""
    return httpx.post(document["token_uri"], data={"grant_type": GRANT, "assertion": text})


def token(document: dict[str, Any]) -> str:
    return str(exchange(document, assertion(document)).json()["access_token"])


def aws_headers(
    url: str, body: bytes, *, key: str = "AKIAONE", secret: str = "aws-secret-one", service: str = "bedrock"
) -> dict[str, str]:
    """Return the headers of a POST that is signed."""
    parts, stamp = urlsplit(url), datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": parts.netloc, "x-amz-date": stamp, "content-type": "application/json"}
    request = Request("POST", parts.path, parts.query, headers, body, 0)
    names, scope = sorted(headers), f"{stamp[:8]}/us-east-1/{service}/aws4_request"
    made = signature(canonical_request(request, names), stamp, scope, secret)
    named = f"Credential={key}/{scope}, SignedHeaders={';'.join(names)}, Signature={made}"
    return {**headers, "authorization": f"AWS4-HMAC-SHA256 {named}"}


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
