"""A strict Amazon Bedrock: it verifies the signature over the bytes that arrive, and refuses what the real one does."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

from providers.model_facts import ModelFacts
from providers.target import Secret, Target, Timeouts
from tests.integration.providers.raw_server import Peer, RawServer
from tests.support.vendors.converse_rules import fault_in

ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2"
LIMITS = Timeouts(connect=5, first_byte=10, answer=10, idle=10, total=20)
KEYS = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "wJalr/secret"}
Reply = tuple[int, dict[str, str], bytes]
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
    r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)


def refusal(status: int, name: str, message: str) -> Reply:
    headers = {
        "x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/",
        "content-type": "application/json",
    }
    return status, headers, json.dumps({"message": message}).encode()


class Bedrock:
    """`answer` makes the reply to an accepted request: (model, operation, body). `secrets`: by access key."""

    def __init__(
        self, answer: Callable[[str, str, Any], Reply], region: str = "us-east-1", vendor: str = "anthropic"
    ) -> None:
        self.answer, self.region, self.vendor = answer, region, vendor
        self.secrets = {"AKIDEXAMPLE": "wJalr/secret"}
        self.expired: set[str] = set()  # session tokens
        self.bearer = ""
        self.seen: list[tuple[str, str, Any]] = []
        self.port = 0

    async def script(self, peer: Peer) -> None:
        """Serve one connection."""
        while True:
            status, headers, body = self.reply(await peer.request())
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            head = f"HTTP/1.1 {status} X\r\n{lines}content-length: {len(body)}\r\n\r\n"
            await peer.send(head.encode(), body)

    def reply(self, raw: bytes) -> Reply:
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if (refused := self._unauthorized(method, path, headers, body)) is not None:
            return refused
        found = re.fullmatch(r"/model/([^/]+)/([a-z-]+)", path)
        if found is None:
            return refusal(404, "UnknownOperationException", "no such operation")
        model, operation = unquote(found.group(1)), found.group(2)
        document = json.loads(body)
        self.seen.append((model, operation, document))
        if operation.startswith("converse") and (why := fault_in(document, self.vendor)):
            return refusal(400, "ValidationException", why)
        return self.answer(model, operation, document)

    def _unauthorized(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply | None:
        given = headers.get("authorization", "")
        if self.bearer and given == f"Bearer {self.bearer}":
            return None
        found = _AUTHORIZATION.fullmatch(given)
        if found is None:
            return refusal(403, "MissingAuthenticationToken", "Missing Authentication Token")
        key, day, region, service, listed, signature = found.groups()
        if headers.get("x-amz-security-token") in self.expired:
            return refusal(
                403, "ExpiredTokenException", "The security token included in the request is expired"
            )
        names = listed.split(";")
        must = {"host", "x-amz-date"} | ({"x-amz-security-token"} & headers.keys())
        if not must <= set(names) or (region, service) != (self.region, "bedrock") or key not in self.secrets:
            return refusal(403, "UnrecognizedClientException", "The security token is invalid")
        canonical = [method, quote(path, safe="/-_.~"), "", *[f"{name}:{headers[name]}" for name in names]]
        canonical += ["", listed, hashlib.sha256(body).hexdigest()]
        hashed = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
        scope = f"{day}/{region}/{service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{scope}\n{hashed}"
        signing = b"AWS4" + self.secrets[key].encode()
        for part in (day, region, service, "aws4_request", text):
            signing = hmac.new(signing, part.encode(), hashlib.sha256).digest()
        if not headers["x-amz-date"].startswith(day) or signing.hex() != signature:
            return refusal(403, "InvalidSignatureException", "The request signature does not match")
        return None


def target(server: RawServer, vendor: str = "anthropic", name: str = "d", **metadata: str) -> Target:
    return Target(
        id=sum(name.encode()), alias="a", name=name, provider="bedrock", upstream_model=ARN, region="us-east-1",
        base_url=f"http://127.0.0.1:{server.port}", secret=Secret(""), api="bedrock", timeouts=LIMITS,
        facts=ModelFacts(vendor=vendor, max_output_tokens=100), metadata=KEYS | metadata,
    )  # fmt: skip
