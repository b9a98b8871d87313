"""What AWS reports inside an event stream, as an error body that verdicts read. Pure.

Source: Amazon Bedrock API reference, "ConverseStream" and "InvokeModelWithResponseStream": exceptions and their status.
"""

from __future__ import annotations

import contextlib
from typing import Any, Final

import msgspec

from providers.framing.aws_event_stream import Frame

_STATUSES: Final = {
    "accessdeniedexception": 403,
    "internalserverexception": 500,
    "modelerrorexception": 424,
    "modelstreamerrorexception": 424,
    "modeltimeoutexception": 408,
    "modelnotreadyexception": 429,
    "resourcenotfoundexception": 404,
    "servicequotaexceededexception": 429,
    "serviceunavailableexception": 503,
    "throttlingexception": 429,
    "validationexception": 400,
}
_TYPES: Final = {  # Anthropic's names of errors, by status
    400: "invalid_request_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    429: "rate_limit_error",
    503: "overloaded_error",
}
_OF_THE_MODEL: Final = 424
_HTTP_ERRORS: Final = range(400, 600)
_MOST: Final = 8_000  # characters of a message
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class StreamError(msgspec.Struct, frozen=True):
    """`status`: HTTP's, as the service would have sent it before the stream."""

    name: str
    message: str
    status: int

    @property
    def body(self) -> bytes:
        """The error in the shape that providers/errors reads."""
        return _encode({"error": {"message": self.message, "type": self.name, "status": self.status}})

    @property
    def anthropic(self) -> bytes:
        """The same as an `error` event of the Messages API."""
        kind = _TYPES.get(self.status, "api_error")
        return _encode({"type": "error", "error": {"type": kind, "message": self.message}})


def error_in(frame: Frame) -> StreamError:
    """Read a frame that is an exception or an error."""
    given: Any = None
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        given = _decode(frame.payload)
    members = given if isinstance(given, dict) else {}
    given_texts = [members.get(name) for name in ("message", "Message", "originalMessage")]
    texts = [text for text in given_texts if isinstance(text, str) and text]
    message = texts[0] if texts else frame.reason or f"the stream ended with '{frame.name}'"
    status, original = _STATUSES.get(frame.name.lower(), 500), members.get("originalStatusCode")
    if status == _OF_THE_MODEL and isinstance(original, int) and original in _HTTP_ERRORS:
        status = original
    return StreamError(frame.name or "error", message[:_MOST], status)
