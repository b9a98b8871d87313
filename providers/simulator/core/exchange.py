"""One request to the simulator and its response, as every API of it has them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

import msgspec

JSON = b"application/json"
SSE = b"text/event-stream; charset=utf-8"
EVENT_STREAM = b"application/vnd.amazon.eventstream"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """`path` is as it was sent, percent-encoded; names of headers are in lower case.

    `account` is that of the credential: prompt caches, signatures and stored responses belong to it.
    """

    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = {}
    body: bytes = b""
    account: str = ""


class Frame(NamedTuple):
    """Bytes of a stream that belong together (one event), and the output tokens that were produced by then."""

    data: bytes
    tokens: int


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """What the vendor bills for one call, in the vendor's own terms. `notes`: what was dropped in silence."""

    api: str
    model: str
    usage: dict[str, Any]
    notes: tuple[str, ...] = ()


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """Complete bytes, or the frames of a stream. `pause`: seconds between two frames. `bill` is None if it was free."""

    body: bytes | Iterable[Frame]
    content_type: bytes = JSON
    status: int = 200
    headers: dict[str, str] = {}
    bill: Bill | None = None
    pause: float = 0.0


Handler: TypeAlias = Callable[[Request], Response]


def key_of(headers: dict[str, str]) -> str:
    """Return what names the account in the headers of a request, or ""."""
    for name in ("x-api-key", "api-key", "x-goog-api-key"):
        if headers.get(name):
            return headers[name]
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    if scheme == "AWS4-HMAC-SHA256":
        return rest.partition("Credential=")[2].partition("/")[0]
    return rest
