"""How responses of a client API are written: its error envelope, and the framing of its streams.

One value for each API. An endpoint names its API (gateway/inference/endpoint.py); before an endpoint is known, the path
decides (`api_of`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
import orjson

from gateway.http.response import EVENT_STREAM, Headers

API_ERROR: Final = "api_error"


class ErrorFields(msgspec.Struct, frozen=True):
    """What an error tells the client, in whatever envelope. `facts`: further members for programs."""

    code: str | None
    type: str | None
    message: str
    param: str | None = None
    facts: dict[str, Any] = {}


class Framing(msgspec.Struct, frozen=True):
    """How a streamed response is written.

    `headers` are of its head; `content_type` is the one in them, "" where it is the provider's. `ping` is sent where
    nothing else was for a while; b"": nothing is. `error_event` wraps an encoded envelope; b"": a failure can only cut
    the connection. The last part of a complete response is the stream's (`Stream.final`).
    """

    headers: Headers
    content_type: str = ""
    ping: bytes = b""
    error_event: Callable[[bytes], bytes] = lambda _: b""


class ClientApi(msgspec.Struct, frozen=True):
    """`name` is the client's side of a dialect (providers/dialects/choice.py)."""

    name: str
    envelope: Callable[[ErrorFields], dict[str, Any]]
    events: Framing

    def error_body(self, code: str, message: str) -> bytes:
        """Return the encoded envelope of a failure after the head was sent."""
        return orjson.dumps(self.envelope(ErrorFields(code, API_ERROR, message)))


def _openai_envelope(error: ErrorFields) -> dict[str, Any]:
    """OpenAI's error envelope (API reference, "Errors")."""
    return {
        "error": {
            "message": error.message,
            "type": error.type,
            "param": error.param,
            "code": error.code,
            **error.facts,
        }
    }


OPENAI: Final = ClientApi(
    "openai",
    _openai_envelope,
    Framing(
        EVENT_STREAM,
        "text/event-stream; charset=utf-8",
        b": ping\n\n",
        lambda body: b"data: " + body + b"\n\n",
    ),
)
BINARY: Final = Framing([])  # the content type is the provider's

APIS: Final[dict[str, ClientApi]] = {}  # by path, of the paths whose API is another than OpenAI's


def api_of(path: str) -> ClientApi:
    """Return the API in which a path responds, also with an error before its endpoint is known."""
    return APIS.get(path, OPENAI)
