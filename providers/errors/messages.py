"""Reads a provider's error, whatever its envelope: the message for people, and the names of the error.

Shapes: OpenAI's `{"error": {message, type, param, code}}`, Google's lists and `details`, FastAPI's `detail`, Mistral's
nested `message`, OpenRouter's `metadata`, AWS's `Message`, RFC 9457's `title`, MiniMax's `base_resp`, Apigee's `fault`,
pages of HTML, and plain text. Pure; on the error path only, about 20 us, and no more than LONGEST bytes are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import orjson

from providers.errors.inner_errors import is_error
from providers.json_scan.documents import QUICK, documents_in
from providers.json_scan.repaired import mended

LONGEST: Final = 64 * 1024  # bytes that are parsed; of longer bodies the beginning is quoted
MOST_MESSAGE: Final = 8_000  # characters of a proper message
MOST_QUOTED: Final = 1_000  # characters of a message composed of several texts
MOST_REASON: Final = 1_000  # characters in a log line
_MARGIN: Final = 256  # longer than any key
_MOST_NAME: Final = 200
_DEPTH: Final = 4
_DEEP: Final = 8
_MOST_TEXTS: Final = 8
_MOST_MEMBERS: Final = 64

_ENVELOPES: Final = ("error", "errors", "fault", "base_resp", "err", "exception")
_TEXTS: Final = (
    "message", "Message", "msg", "detail", "details", "error_message", "error_msg", "errorMessage", "status_msg",
    "faultstring", "description", "error_description", "reason", "title", "error", "errors", "text", "raw",
)  # fmt: skip
_NAMES: Final = (
    "code",
    "type",
    "status",
    "reason",
    "error_type",
    "error_code",
    "errorCode",
    "__type",
    "status_code",
)
_NO_REASONS: Final = frozenset(  # members that give no reason, or repeat the request or the response
    {
        "code", "type", "status", "error_type", "error_code", "errorCode", "__type", "status_code", "success", "object",
        "usage", "id", "request_id", "requestId", "trace_id", "timestamp", "time", "instance", "documentation_url",
        "stack", "stacktrace", "stackTrace", "traceback", "trace", "input", "ctx", "prompt", "messages", "request",
        "choices", "content", "output", "candidates", "embedding",
    }
)  # fmt: skip
_OF_ANSWERS: Final = frozenset({"model", "created"})
_OF_A_MODERATION: Final = frozenset({"flagged_input", "reasons", "flagged", "content_filter_result"})
_STARTS: Final = (b"{", b"data:", b"event:", b":")
_PAGE: Final = re.compile(
    rb"\s*(?:<!--.{0,200}?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_UNSEEN: Final = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|$)", re.IGNORECASE | re.DOTALL)
_TAG: Final = re.compile(r"<[^<>]{0,2000}>")
_MOST_DELAY_S: Final = 86_400
_DELAY: Final = re.compile(r"(\d{1,7}(?:\.\d{1,9})?)s")


class ProviderMessage(msgspec.Struct, frozen=True):
    """`message` is "" if there is none. `names` are codes, types and reasons, in lower case."""

    message: str = ""
    type: str | None = None
    param: str | None = None
    code: str | None = None
    names: frozenset[str] = frozenset()
    is_page: bool = False  # an HTML page
    is_flagged: bool = False  # it has members that only a moderation sends
    status: int | None = None  # HTTP's, if the error names one
    retry_after_s: float | None = None  # Google's RetryInfo; Hugging Face's time until a model is loaded

    def short(self, most: int) -> str:
        """Return the message in one line, a little longer than `most`: to be cut after redaction, not in a secret."""
        return printable((self.message or " ".join(sorted(self.names)))[: most + _MARGIN])


def read_error(body: bytes | None) -> ProviderMessage:
    """Read the body of an error. Never raises."""
    if not body:
        return ProviderMessage()
    if _PAGE.match(body[:1024]):
        return ProviderMessage(message=_of_page(body[:LONGEST]), is_page=True)
    document = _read(body) if len(body) <= LONGEST else None
    if document is None:
        return ProviderMessage(
            message=printable(body[: 4 * MOST_QUOTED].decode("utf-8", "replace"))[:MOST_QUOTED]
        )
    return _of_document(document)


def named_by(message: ProviderMessage, header: str) -> ProviderMessage:
    """Add the name of an error that came in a header, as AWS writes it: `ns#ThrottlingException:http://...`."""
    name = header.partition(":")[0].rpartition("#")[2].strip().lower()[:_MOST_NAME]
    return msgspec.structs.replace(message, names=message.names | {name}) if name else message


def leads_to(location: str) -> str:
    """Return where a redirect leads: the host, never the rest, which may carry a secret."""
    try:
        host = urlsplit(location).netloc.rpartition("@")[2]
    except ValueError:
        host = ""
    where = printable(host)[:MOST_REASON]
    return f", a redirect to {where or 'another path of the same host'}" if location else ", a redirect"


def _read(body: bytes) -> Any:
    """Return the document; of several, or of events, the first one that is an error; None: there is none."""
    for text in (body, mended(body)):
        try:
            if text is not None:
                return orjson.loads(text)
        except orjson.JSONDecodeError:
            continue
    if len(body) > QUICK or not body.lstrip().startswith(_STARTS):
        return None
    return next((each for each in documents_in(body) if is_error(each)), None)


def printable(text: str) -> str:
    """Return a text as one line, without line breaks and terminal control characters."""
    return " ".join("".join([letter if letter.isprintable() else " " for letter in text]).split())


def _of_document(document: Any) -> ProviderMessage:
    error = _error_in(document)
    whole = document if isinstance(document, dict) else {}
    names = frozenset(_names(error)) | frozenset(_names(whole))
    message = _message(error) or _message(document) or _joined(_all_texts(document, "", _DEEP))
    inner = _passed_on_in(error)
    if inner.message:
        message = f"{message}: {inner.message}"[:MOST_MESSAGE]
    return ProviderMessage(
        message=message,
        type=_name(error.get("type")),
        param=_name(error.get("param")) or _name(error.get("loc")) or inner.param,
        code=_name(error.get("code")),
        names=names | inner.names,
        is_flagged=_has_flags(error) or inner.is_flagged,
        status=_status(error, whole),
        retry_after_s=_delay(error, whole),
    )


def _passed_on_in(error: dict[str, Any]) -> ProviderMessage:
    """Return the error of the provider behind a router, which OpenRouter passes on as a text (`metadata.raw`)."""
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    return read_error(raw.encode("utf-8", "replace")) if isinstance(raw, str) else ProviderMessage()


def _error_in(document: Any) -> dict[str, Any]:
    """Return the members of the error object itself, unwrapped."""
    for _ in range(_DEPTH):
        if isinstance(document, list) and document:
            document = document[0]
            continue
        if not isinstance(document, dict):
            break
        inner = next(
            (document[name] for name in _ENVELOPES if isinstance(document.get(name), dict | list)), None
        )
        if not inner:
            break
        if isinstance(inner, list) and not isinstance(inner[0], dict):
            break
        document = inner
    return document if isinstance(document, dict) else {}


def _message(value: Any) -> str:
    if isinstance(value, dict):
        for name in ("message", "Message", "detail", "error", "msg"):
            if isinstance(value.get(name), str) and value[name].strip():
                return str(value[name])[:MOST_MESSAGE]
    return _joined(_texts(value, _DEPTH))


def _joined(found: Iterator[str]) -> str:
    texts: list[str] = []
    for text in found:
        if text not in texts:
            texts.append(text)
        if len(texts) >= _MOST_TEXTS:
            break
    return "; ".join(texts)[:MOST_QUOTED]


def _all_texts(value: Any, name: str, depth: int) -> Iterator[str]:
    """Yield every text and number, with the name of its member: an unknown member may be the reason, too."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        text = str(value).strip()[:MOST_QUOTED]
        if text:
            yield f"{name}: {text}" if name else text
    elif depth and isinstance(value, list):
        for each in value[:_MOST_TEXTS]:
            yield from _all_texts(each, name, depth - 1)
    elif depth and isinstance(value, dict):
        for inner in list(value)[:_MOST_MEMBERS]:
            if inner not in _NO_REASONS and not (
                inner in _OF_ANSWERS and isinstance(value[inner], str | int)
            ):
                yield from _all_texts(
                    value[inner], name if inner in _ENVELOPES else inner[:_MOST_NAME], depth - 1
                )


def _texts(value: Any, depth: int) -> Iterator[str]:
    """Yield the texts meant for people; FastAPI's errors with the location of each."""
    if isinstance(value, str):
        if value.strip():
            yield value.strip()[:MOST_QUOTED]
    elif depth and isinstance(value, list):
        for each in value[:_MOST_TEXTS]:
            yield from _texts(each, depth - 1)
    elif depth and isinstance(value, dict):
        where = _location(value.get("loc"))
        for name in _TEXTS:
            for text in _texts(value.get(name), depth - 1):
                yield f"{where}: {text}" if where else text
            if where and isinstance(value.get(name), str):
                return


def _location(loc: Any) -> str:
    if not isinstance(loc, list):
        return ""
    return ".".join([str(each) for each in loc[:8] if isinstance(each, str | int)])[:_MOST_NAME]


def _names(error: dict[str, Any]) -> Iterator[str]:
    for name in _NAMES:
        found = _name(error.get(name))
        if found is not None:
            yield found.lower()
    for several in (error.get("details"), error.get("detail")):
        for each in several[:_MOST_TEXTS] if isinstance(several, list) else [several]:
            if isinstance(each, dict):
                yield from (found.lower() for name in _NAMES if (found := _name(each.get(name))) is not None)
    for inner in (error.get("innererror"), error.get("metadata")):
        if isinstance(inner, dict) and (found := _name(inner.get("code"))) is not None:
            yield found.lower()


def _has_flags(error: dict[str, Any]) -> bool:
    inner = (error.get("metadata"), error.get("innererror"))
    return any(isinstance(each, dict) and bool(_OF_A_MODERATION & each.keys()) for each in inner)


def _status(*several: dict[str, Any]) -> int | None:
    """Return the HTTP status that an error names, as OpenRouter, vLLM and Google do inside a stream."""
    for error in several:
        for name in ("code", "status", "status_code", "http_status_code"):
            value = error.get(name)
            if isinstance(value, str) and len(value) == 3 and value.isdecimal():  # noqa: PLR2004
                value = int(value)
            if isinstance(value, int) and not isinstance(value, bool) and 400 <= value < 600:  # noqa: PLR2004
                return value
    return None


def _delay(error: dict[str, Any], whole: dict[str, Any]) -> float | None:
    details = error.get("details")
    for each in details[:_MOST_TEXTS] if isinstance(details, list) else []:
        delay = each.get("retryDelay") if isinstance(each, dict) else None
        found = _DELAY.fullmatch(delay) if isinstance(delay, str) else None
        if found is not None:
            return float(found.group(1))
    loading: Any = whole.get("estimated_time")
    is_one = (
        isinstance(loading, int | float) and not isinstance(loading, bool) and 0 < loading < _MOST_DELAY_S
    )
    return float(loading) if is_one else None


def _name(value: Any) -> str | None:
    if isinstance(value, list):
        value = _location(value)
    is_one = isinstance(value, str | int) and not isinstance(value, bool) and value != ""
    return str(value)[:_MOST_NAME] if is_one else None


def _of_page(body: bytes) -> str:
    text = _UNSEEN.sub(" ", body.decode("utf-8", "replace"))
    return printable(_TAG.sub(" ", text))[:MOST_QUOTED]
