"""Vertex AI on a loopback socket, as strict as Google: signed assertions, tokens that end, its rules for bodies.

`async with VertexServer(chunks) as server`: answers every call with these chunks, whole or as a stream.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.integration.providers.raw_server import Peer, RawServer
from tests.support.vendors.gemini_rules import refusal

_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_PEM = _KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
EMAIL = "gateway@proj.iam.gserviceaccount.com"
API_KEY = "AIza-test"
GOOGLES = "https://oauth2.googleapis.com/token"  # google-auth's audience, wherever the token is asked for
_PATH = re.compile(
    r"/(?P<version>v1|v1beta1)/projects/proj/locations/(?P<place>[a-z0-9-]+)/publishers/google/models/"
    r"(?P<model>[^:/]+):(?P<operation>\w+)(?P<query>\?alt=sse)?"
)
_PATH_OF_KEYS = re.compile(r"/v1beta/models/(?P<model>[^:/]+):(?P<operation>\w+)(?P<query>\?alt=sse)?")
_WORDS = {400: b"Bad Request", 401: b"Unauthorized", 404: b"Not Found", 429: b"Too Many Requests"}


class VertexServer(RawServer):
    """`failures` are sent, each once, before any answer. `life_s` is the life of tokens as they state it."""

    def __init__(
        self, chunks: Sequence[Any] = (), *, life_s: int = 3600, model: str = "gemini-3-pro"
    ) -> None:
        super().__init__(self._serve)
        self.chunks, self.life_s, self.model = chunks, life_s, model
        self.tokens: list[str] = []
        self.valid: set[str] = set()
        self.bodies: list[tuple[str, Any]] = []
        self.failures: list[tuple[int, Any]] = []
        self.accepts_no_token = False
        self.refuses_tokens = self.ends_short = False  # without the blank line of the last event

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def account(self, *, key: str = _PEM) -> str:
        """Return the JSON of a service account that this server knows."""
        return json.dumps(
            {
                "type": "service_account",
                "project_id": "proj",
                "private_key_id": "k1",
                "private_key": key,
                "client_email": EMAIL,
                "client_id": "1",
                "token_uri": f"{self.root}/token",
            }
        )

    def revoke(self) -> None:
        self.valid.clear()

    async def _serve(self, peer: Peer) -> None:
        while True:
            head, _, body = (await peer.request()).partition(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines)
            path = first.split(" ")[1]
            raw_headers = dict(line.split(": ", 1) for line in lines)
            if path == "/token":
                await self._token(peer, body)
            else:
                await self._call(peer, path, headers, raw_headers, body)

    async def _token(self, peer: Peer, body: bytes) -> None:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        why = "refused" if self.refuses_tokens else _wrong_assertion(form, f"{self.root}/token")
        if why:
            await _send(peer, 400, {"error": "invalid_grant", "error_description": why})
            return
        token = f"ya29.{len(self.tokens)}"
        self.tokens.append(token)
        self.valid.add(token)
        await _send(peer, 200, {"access_token": token, "expires_in": self.life_s, "token_type": "Bearer"})

    async def _call(
        self, peer: Peer, path: str, headers: dict[str, str], raw: dict[str, str], body: bytes
    ) -> None:
        key = headers.get("x-goog-api-key")
        found = (_PATH_OF_KEYS if key else _PATH).fullmatch(path)
        bearer = next((value for name, value in raw.items() if name.lower() == "authorization"), "")
        is_known = key == API_KEY.lower() if key else bearer.removeprefix("Bearer ") in self.valid
        if not is_known or self.accepts_no_token:
            await _send(peer, 401, _error(401, "Request had invalid authentication.", "UNAUTHENTICATED"))
        elif found is None or found["model"] != self.model:
            await _send(peer, 404, _error(404, f"Publisher Model `{path}` was not found.", "NOT_FOUND"))
        elif self.failures:
            await _send(peer, *self.failures.pop(0))
        else:
            version = "v1beta" if key else found["version"]
            await self._answer(
                peer, found["operation"], json.loads(body), version, is_sse=bool(found["query"])
            )

    async def _answer(self, peer: Peer, operation: str, body: Any, version: str, *, is_sse: bool) -> None:
        self.bodies.append((operation, body))
        if operation == "countTokens":
            await _send(peer, 200, {"totalTokens": 1})
        elif operation in {"embedContent", "batchEmbedContents", "predict"}:
            await _send(peer, 200, _vectors(operation, body))
        elif why := refusal(body, version=version):
            await _send(peer, 400, _error(400, why, "INVALID_ARGUMENT"))
        elif operation == "streamGenerateContent" and is_sse:
            await peer.start_stream()
            for at, chunk in enumerate(self.chunks, 1):
                end = b"" if self.ends_short and at == len(self.chunks) else b"\r\n\r\n"
                event = b"data: %b%b" % (json.dumps(chunk).encode(), end)
                half = len(event) // 2
                await peer.chunk(event[:half])
                await peer.chunk(event[half:])
            await peer.send(b"0\r\n\r\n")
        else:
            await _send(peer, 200, self.chunks[0])


def _vectors(operation: str, body: Any) -> Any:
    """Return the length of each text as its vector."""
    if operation == "predict":
        return {
            "predictions": [
                {
                    "embeddings": {
                        "values": [len(each["content"]), 0.5],
                        "statistics": {"token_count": 2.0, "truncated": False},
                    }
                }
                for each in body["instances"]
            ]
        }
    several = body["requests"] if operation == "batchEmbedContents" else [body]
    values = [{"values": [len(each["content"]["parts"][0]["text"]), 0.5]} for each in several]
    usage = {"usageMetadata": {"promptTokenCount": 3 * len(values)}}
    return (
        {"embeddings": values, **usage}
        if operation == "batchEmbedContents"
        else {"embedding": values[0], **usage}
    )


def _wrong_assertion(form: dict[str, str], audience: str) -> str:
    """Return what is wrong with a signed JWT (RFC 7523); "" if nothing is."""
    if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
        return "no jwt-bearer grant"
    head, claims, signature = form["assertion"].split(".")
    try:
        _KEY.public_key().verify(
            _decoded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256()
        )
    except Exception:  # noqa: BLE001 - whatever is wrong with it
        return "Invalid JWT Signature."
    stated = json.loads(_decoded(claims))
    now = time.time()
    is_current = stated["iat"] <= now + 60 and now < stated["exp"] <= stated["iat"] + 3600
    is_ours = stated["iss"] == EMAIL and stated["aud"] in {audience, GOOGLES}
    has_scope = stated["scope"] == "https://www.googleapis.com/auth/cloud-platform"
    return "" if is_current and is_ours and has_scope else f"wrong claims: {stated}"


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _error(code: int, message: str, status: str) -> Any:
    return {"error": {"code": code, "message": message, "status": status}}


async def _send(peer: Peer, status: int, document: Any) -> None:
    body = json.dumps(document).encode()
    word = _WORDS.get(status, b"OK" if status < 300 else b"Error")
    head = b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    await peer.send(head % (status, word, len(body)), body)
