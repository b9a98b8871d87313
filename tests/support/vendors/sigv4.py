"""Verifies AWS Signature Version 4 over the bytes that arrived. Apart from our signer."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote

from tests.support.provider.http import Request
from tests.support.vendors.accounts import AWS_KEYS, AWS_SESSION_TOKEN

_HEADER = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, ?"
    r"SignedHeaders=(?P<names>[a-z0-9;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)
_SKEW = timedelta(minutes=15)


class Refused(Exception):
    """Raised with the name of AWS's exception and a message."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name, self.message = name, message


def verify(request: Request, service: str) -> str:
    """Return the account. Raises Refused."""
    found = _HEADER.fullmatch(request.headers.get("authorization", ""))
    if found is None:
        raise Refused("IncompleteSignatureException", "The Authorization header is not well-formed.")
    if found["key"] not in AWS_KEYS:
        raise Refused("UnrecognizedClientException", "The security token included in the request is invalid.")
    secret, account = AWS_KEYS[found["key"]]
    stamp = request.headers.get("x-amz-date", "")
    _check_scope(found, stamp, service)
    names = found["names"].split(";")
    _check_names(request, names)
    digest = hashlib.sha256(request.body).hexdigest()
    if request.headers.get("x-amz-content-sha256", digest) != digest:
        raise Refused(
            "InvalidSignatureException", "The provided x-amz-content-sha256 does not match the body."
        )
    scope = f"{found['day']}/{found['region']}/{service}/aws4_request"
    canonical = canonical_request(request, names)
    if not hmac.compare_digest(signature(canonical, stamp, scope, secret), found["signature"]):
        raise Refused(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. "
            f"The Canonical String for this request should have been\n{canonical}",
        )
    return account


def canonical_request(request: Request, names: list[str]) -> str:
    return "\n".join(
        (
            request.method,
            quote(
                request.path, safe="/-_.~"
            ),  # every service but S3 encodes the path that was sent once more
            _query(request.query),
            *(f"{name}:{' '.join(request.headers[name].split())}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(request.body).hexdigest(),
        )
    )


def signature(canonical: str, stamp: str, scope: str, secret: str) -> str:
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, to_sign.encode(), "sha256").hexdigest()


def _check_scope(found: re.Match[str], stamp: str, service: str) -> None:
    if found["service"] != service:
        raise Refused(
            "InvalidSignatureException", f"Credential should be scoped to correct service: '{service}'."
        )
    try:
        made = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise Refused("IncompleteSignatureException", "x-amz-date is missing or malformed.") from None
    if not stamp.startswith(found["day"]) or abs(datetime.now(UTC) - made) > _SKEW:
        raise Refused("InvalidSignatureException", f"Signature expired: {stamp}")


def _check_names(request: Request, names: list[str]) -> None:
    required = {"host", "x-amz-date"} | {name for name in request.headers if name.startswith("x-amz-")}
    if names != sorted(names) or not required <= set(names) <= set(request.headers):
        raise Refused("InvalidSignatureException", "host and every x-amz- header must be signed, in order.")
    token = request.headers.get("x-amz-security-token")
    if token is not None and token != AWS_SESSION_TOKEN:
        raise Refused("UnrecognizedClientException", "The security token included in the request is invalid.")


def _query(query: str) -> str:
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    return "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs)
