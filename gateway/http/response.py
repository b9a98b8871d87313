"""A /v1 response: status, header pairs and either bytes or a relay. Django's HttpResponse without its cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import orjson
from django.http.response import HttpResponseBase
from typing_extensions import override

if TYPE_CHECKING:
    from gateway.http.request import Send

JSON = (b"content-type", b"application/json")
HTML = (b"content-type", b"text/html; charset=utf-8")
EVENT_STREAM = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would otherwise buffer the chunks
]

Headers = list[tuple[bytes, bytes]]


class StreamBody(Protocol):
    """A streamed body (gateway/inference/relay.py)."""

    async def run(self, start: dict[str, Any]) -> None:
        """Send the head and everything after it."""
        ...


class Response(HttpResponseBase):
    """An HTTP response. It is an HttpResponseBase so that ninja passes it through; the handler itself sends it."""

    def __init__(self, status: int, body: bytes, headers: Headers, relay: StreamBody | None = None) -> None:
        # HttpResponseBase.__init__ sets up cookies, charset and a case-insensitive mapping, which are not used here.
        self.status_code = status
        self.body = body
        self.pairs = headers
        self.relay = relay
        self.error_code = self.words = ""  # of a refusal or a failure
        self.figures: dict[str, Any] = {}  # the limit or the budget that refused, as sent to the client

    @property
    @override
    def streaming(self) -> bool:  # type: ignore[override]  # Django's is a class attribute
        return self.relay is not None


def json_response(status: int, value: Any, headers: Headers | None = None) -> Response:
    """Return a JSON document made by the gateway (errors, lists)."""
    return Response(status, orjson.dumps(value), [JSON, *(headers or ())])


async def send_whole(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send a response in one piece, with its length: for paths that neither the lean handler nor Django serves."""
    headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_head(send: Send, status: int, headers: Headers) -> None:
    """Answer HEAD for a page that was not made: without its length, which is not known."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
