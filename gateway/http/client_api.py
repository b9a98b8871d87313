"""How responses of a client API are written: its error envelope, and the framing of its streams.

One value for each API. An endpoint names its API (gateway/inference/endpoint.py); before an endpoint is known, the path
decides (`api_of`). Sources: the API references of OpenAI and of Anthropic ("Errors", "Streaming"), and their SDKs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final

import msgspec
import orjson

from gateway.http.response import EVENT_STREAM, Headers
from providers.conversation.responses.answer_writer import error_events

API_ERROR: Final = "api_error"


class ErrorFields(msgspec.Struct, frozen=True):
    """What an error tells the client, in whatever envelope. `facts`: further members for programs.

    `type` is OpenAI's; an API with types of its own takes them from `status`.
    """

    code: str | None
    type: str | None
    message: str
    param: str | None = None
    facts: dict[str, Any] = {}
    status: int = 500
    request_id: str = ""


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
    """`name` is the client's side of a dialect (providers/dialects/choice.py).

    `id_header`: another header with the id of the call, beside X-Request-ID; b"": none.
    """

    name: str
    envelope: Callable[[ErrorFields], dict[str, Any]]
    events: Framing
    id_header: bytes = b""

    def error_body(self, code: str, message: str, request_id: str = "", status: int = 500) -> bytes:
        """Return the encoded envelope of a failure after the head was sent."""
        fields = ErrorFields(code, API_ERROR, message, status=status, request_id=request_id)
        return orjson.dumps(self.envelope(fields))


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

VERSION: Final = b"anthropic-version"  # a header that clients of this API send, and no others
_INVALID: Final = "invalid_request_error"
_TYPES: Final = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_KNOWN: Final = frozenset({*_TYPES.values(), _INVALID})
_OF_CODES: Final = {"insufficient_quota": "billing_error"}
# Of a member that is refused: by this its SDK sends the whole conversation instead, as the gateway keeps none.
_DETAILS: Final = {"thread": {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}}
_BAD_REQUEST, _FAILED = 400, 500
RESPONSES: Final = ClientApi(
    "responses",
    _openai_envelope,
    Framing(
        EVENT_STREAM,
        "text/event-stream; charset=utf-8",
        b": ping\n\n",
        lambda body: error_events(body, 0, None),
    ),
)


def _anthropic_envelope(error: ErrorFields) -> dict[str, Any]:
    """Anthropic's error envelope, with the gateway's own code and facts as further members of `error`."""
    members: dict[str, Any] = {"type": _type(error), "message": error.message}
    if error.code is not None:
        members["code"] = error.code
    if error.param is not None:
        members["param"] = error.param
        if error.param in _DETAILS:
            members["details"] = _DETAILS[error.param]
    envelope: dict[str, Any] = {"type": "error", "error": {**members, **error.facts}}
    if error.request_id:
        envelope["request_id"] = error.request_id
    return envelope


def _type(error: ErrorFields) -> str:
    own = _OF_CODES.get(error.code or "") or _TYPES.get(error.status)
    if own is not None:
        return own
    return _INVALID if _BAD_REQUEST <= error.status < _FAILED else "api_error"


ANTHROPIC: Final = ClientApi(
    "messages",
    _anthropic_envelope,
    Framing(
        EVENT_STREAM,
        "text/event-stream; charset=utf-8",
        b'event: ping\ndata: {"type": "ping"}\n\n',
        lambda body: b"event: error\ndata: " + body + b"\n\n",
    ),
    b"request-id",
)
_MESSAGES: Final = "/v1/messages"
# By path, where that decides.
APIS: Final[dict[str, ClientApi]] = {
    _MESSAGES: ANTHROPIC,
    f"{_MESSAGES}/count_tokens": ANTHROPIC,
    "/v1/responses": RESPONSES,
}
# Paths of both APIs, or of Anthropic's alone, that have its shapes where a client sends its version.
_BY_VERSION: Final = ("/v1/models", "/v1/complete", "/v1/files", "/v1/skills", "/v1/organizations")


def api_of(path: str, headers: Collection[bytes] = ()) -> ClientApi:
    """Return the API in which a path responds, also with an error before its endpoint is known.

    `headers` are the names of the request's, in lower case.
    """
    found = APIS.get(path)
    if found is not None:
        return found
    if path.startswith(_MESSAGES):
        return ANTHROPIC
    return ANTHROPIC if VERSION in headers and path.startswith(_BY_VERSION) else OPENAI
