"""Parses the few fields of a request that the gateway acts on. Everything else passes through as the bytes received."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec

from budgets.admission.demand import Demand
from gateway.http.exceptions import BadRequest, not_json
from gateway.parsing.json_errors import in_words
from providers.dialects.base import Shape
from providers.requests.caps import MOST_CAP
from providers.requests.reading import Reading, read_chat, read_embeddings

T = TypeVar("T")
Cap = Annotated[int, msgspec.Meta(ge=0, le=MOST_CAP)]  # the provider decides what 0 means
Choices = Annotated[int, msgspec.Meta(ge=1, le=128)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class ChatBody(msgspec.Struct):
    """POST /v1/chat/completions, as far as we act on it."""

    model: Name
    messages: Annotated[list[dict[str, msgspec.Raw]], msgspec.Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Cap | None = None
    max_completion_tokens: Cap | None = None
    n: Choices | None = None


class _Bulk(msgspec.Struct):
    """The members of a body that may be large for good reasons; they are never decoded."""

    messages: msgspec.Raw = msgspec.Raw()
    input: msgspec.Raw = msgspec.Raw()
    tools: msgspec.Raw = msgspec.Raw()
    functions: msgspec.Raw = msgspec.Raw()
    response_format: msgspec.Raw = msgspec.Raw()
    metadata: msgspec.Raw = msgspec.Raw()
    documents: msgspec.Raw = msgspec.Raw()
    prediction: msgspec.Raw = msgspec.Raw()


class EmbeddingsBody(msgspec.Struct):
    """POST /v1/embeddings: `input` is a string, a list of strings, token ids, or a list of those."""

    model: Name
    input: msgspec.Raw


class Names(msgspec.Struct, frozen=True):
    """The members used for routing where an alias is sticky or has an experiment."""

    user: str | None = None
    prompt_cache_key: str | None = None


class ParsedRequest(msgspec.Struct, frozen=True):
    """A parsed request: its alias, what the dialect needs, its maximum consumption."""

    alias: str
    shape: Shape
    demand: Demand
    names: Names | None = None  # of a body that is too large to be parsed again


BULK = frozenset(_Bulk.__struct_fields__)
_bulk = msgspec.json.Decoder(_Bulk)
_chat = msgspec.json.Decoder(ChatBody)
_embeddings = msgspec.json.Decoder(EmbeddingsBody)
_names = msgspec.json.Decoder(Names)
MOST_MEMBERS = 20_000  # of a body, beside those inside its _Bulk: decoding them blocks every other call
MOST_TOKENS = 100_000_000  # higher client values count as this: no model writes so much
_LOCATION = re.compile(r" - at `\$(?:\.|\b)?(.*)`$")
_MISSING = re.compile(r"missing required field `(\w+)`")


def peek_chat(raw: bytes) -> ParsedRequest:
    """Raises BadRequest, Unacceptable."""
    body = decode(_chat, raw)
    read = _read(read_chat, raw, body.messages)
    shape = Shape(
        alias=body.model,
        path="chat/completions",
        stream=bool(body.stream),
        include_usage=body.stream_options is not None and bool(body.stream_options.include_usage),
        choices=body.n or 1,
        stated_cap=read.cap,
        cap_names=read.cap_names,
        exact=read.exact,
        names=read.names,
        absent=read.absent,
    )
    return ParsedRequest(body.model, shape, _chat_demand(body, read))


def _chat_demand(body: ChatBody, read: Reading) -> Demand:
    return Demand(
        kind="chat",
        body_bytes=read.text_bytes,
        growth=read.growth,
        output_cap=min(read.cap, MOST_TOKENS) if read.cap is not None else None,
        n=read.choices,
        messages=len(body.messages),
        tools=read.tools,
        pictures=read.pictures,
        sounds=read.sounds,
        audio_ms=read.audio_ms,
        documents=read.documents,
        document_bytes=read.document_bytes,
        references=read.references,
        unknown=read.unknown,
        features=read.features,
        tier=read.tier,
        against_cap=read.against_cap,
        predicted_bytes=read.predicted_bytes,
        speaks=read.speaks,
        keeps=read.keeps,
        modalities=read.modalities,
        json_schema=read.json_schema,
    )


def peek_embeddings(raw: bytes) -> ParsedRequest:
    """Raises BadRequest, Unacceptable."""
    body = decode(_embeddings, raw)
    given = bytes(body.input)
    if given[:1] not in b'"[' or given in (b'""', b"[]"):
        raise BadRequest("'input' must be a non-empty string, or a list of strings or of token ids.", "input")
    read = _read(read_embeddings, raw, given)
    shape = Shape(alias=body.model, path="embeddings", content_key="data", exact=read.exact, names=read.names)
    demand = Demand(
        kind="embeddings",
        body_bytes=read.text_bytes,
        references=read.references,
        unknown=read.unknown,
        against_cap=read.against_cap,
        inputs=read.inputs,
        keeps=read.keeps,
    )
    return ParsedRequest(body.model, shape, demand)


def names_in(raw: bytes) -> Names:
    """Return the names in a body; none where one of them is not text."""
    try:
        return _names.decode(raw)
    except msgspec.ValidationError:
        return Names()


def _read(reading: Callable[[bytes, T], Reading], raw: bytes, looked_at: T) -> Reading:
    """Raises BadRequest, Unacceptable."""
    try:
        return reading(raw, looked_at)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise not_json(error) from None


def decode(decoder: msgspec.json.Decoder[Any], raw: bytes) -> Any:
    """Raises BadRequest with a message that names the member."""
    try:
        if not raw.isascii():
            raw.decode()  # msgspec checks only the members it knows; what is not UTF-8 is not JSON
        body = decoder.decode(raw)
        if len(raw) > MOST_MEMBERS and raw.count(b":") > MOST_MEMBERS:  # every member has one
            _count_members(raw)
        return body  # noqa: TRY300 - kept with the code that can fail
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise not_json(error) from None


def _count_members(raw: bytes) -> None:
    """Count, as an upper bound, the members outside the bulk, without decoding it. Raises BadRequest."""
    bulk = _bulk.decode(raw)
    inside = sum(bytes(getattr(bulk, name)).count(b":") for name in _Bulk.__struct_fields__)
    if raw.count(b":") - inside > MOST_MEMBERS:
        raise BadRequest(f"Your request has more than {MOST_MEMBERS:,} members.", code="too_many_members")


def _explain(text: str) -> BadRequest:
    missing = _MISSING.search(text)
    if missing is not None:
        name = missing.group(1)
        return BadRequest(f"You must provide the parameter '{name}'.", name, "missing_required_parameter")
    location = _LOCATION.search(text)
    param = location.group(1).replace("[...]", "") if location is not None else None
    message = text[: location.start()] if location is not None else text
    where = f"Invalid value for '{param}': " if param else "Invalid body: "
    return BadRequest(f"{where}{in_words(message)}.", param or None, "invalid_value")


BodyParser = Callable[[bytes], ParsedRequest]
