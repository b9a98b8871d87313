"""What gateway/parsing/heavy_process.py does with a large request body: it is read like a small one, within limits
that are checked first, and returns what is needed of the body later. Pure.
"""

from __future__ import annotations

import hashlib
from importlib import import_module
from typing import Final

import msgspec

from gateway.http.exceptions import BadRequest, not_json
from gateway.parsing.parsed_request import BodyParser, Names, ParsedRequest, names_in
from providers.isolation import tenant_salt
from providers.json_scan.limits import NO_LIMIT, Limits, NotJson, OverLimit
from providers.json_scan.outline import Outline, outline_of
from providers.requests import chat
from providers.requests.layout import Unfit, layout_of
from providers.requests.money_classes import Unacceptable

REPLACED: Final = frozenset({"model", "stream_options"}) | chat.CAPS | tenant_salt.MEMBERS
MOST_WORDS: Final = 1_000  # of a refusal; it may quote what was sent
MOST_NAME: Final = 256


class Refused(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a body is refused; `over` and `limit` are those of OverLimit, `is_unacceptable` selects the exception."""

    message: str
    param: str | None = None
    code: str | None = None
    over: str = ""
    limit: int = 0
    is_unacceptable: bool = False


class Understood(msgspec.Struct, frozen=True):
    """One of the two."""

    parsed: ParsedRequest | None
    refused: Refused | None = None


class Embedded(msgspec.Struct, frozen=True):
    """The body inside a simulation request: its position, and its endpoint."""

    start: int
    end: int
    endpoint: str  # as the request states it
    is_embeddings: bool  # as the body's shape shows it
    refused: Refused | None = None


def parse_large(raw: bytes, peek: str, limits: Limits) -> Understood:
    """Parse it with the parser of this name, as returned by name_of."""
    module, _, name = peek.partition(":")
    read: BodyParser = getattr(import_module(module), name)
    try:
        outline = outline_of(raw, limits)
        parsed = read(raw)
        layout = layout_of(raw, outline, REPLACED.union(parsed.shape.absent))
    except (OverLimit, NotJson, BadRequest, Unacceptable, Unfit) as refusal:
        return Understood(None, _refused(refusal))
    # White space between members, for which the shape of a small body is not exact, is sent unchanged.
    shape = msgspec.structs.replace(parsed.shape, layout=layout, exact=outline.is_plain)
    names = _shortened(parsed.names or names_in(raw))
    return Understood(msgspec.structs.replace(parsed, shape=shape, names=names))


def name_of(peek: BodyParser) -> str:
    """Return the name by which another process finds the parser."""
    return f"{peek.__module__}:{peek.__qualname__}"


def find_body(raw: bytes, limits: Limits) -> Embedded:
    """Find the body in a request to `POST /v1/gateway/simulate`; it may be the request itself."""
    # The body itself is checked later.
    limits = Limits(limits.nesting + 1, NO_LIMIT, NO_LIMIT, NO_LIMIT, limits.values, NO_LIMIT)
    try:
        outline = outline_of(raw, limits)
        start, end = outline.members.get("body", (0, len(raw)))
        inner = outline_of(raw[start:end], limits) if "body" in outline.members else outline
        endpoint = _endpoint(raw, outline)
    except (OverLimit, NotJson) as refusal:
        return Embedded(0, 0, "", is_embeddings=False, refused=_refused(refusal))
    return Embedded(start, end, endpoint, "input" in inner.members and "messages" not in inner.members)


def _endpoint(raw: bytes, outline: Outline) -> str:
    """Return the stated endpoint; a value that is not text names no endpoint."""
    start, end = outline.members.get("endpoint", (0, 0))
    if start == end:
        return ""
    stated = raw[start : min(end, start + MOST_NAME)]
    try:
        return msgspec.json.decode(stated, type=str)
    except msgspec.DecodeError:
        return stated.decode("utf-8", "replace")


def _shortened(names: Names) -> Names:
    return Names(_short(names.user), _short(names.prompt_cache_key))


def _short(name: str | None) -> str | None:
    """Return a name of any length as one that can be compared."""
    if name is None or len(name) <= MOST_NAME:
        return name
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()


def _refused(refusal: Exception) -> Refused:
    message = str(refusal)[:MOST_WORDS]
    if isinstance(refusal, OverLimit):
        return Refused(message, over=refusal.what, limit=refusal.limit)
    if isinstance(refusal, Unfit):
        name = refusal.name[:MOST_NAME]
        return Refused(f"'{name}' is there too often, or too long.", name, "invalid_value")
    if isinstance(refusal, BadRequest | Unacceptable):
        param = None if refusal.param is None else refusal.param[:MOST_NAME]
        return Refused(message, param, refusal.code, is_unacceptable=isinstance(refusal, Unacceptable))
    return _refused(not_json(message))
