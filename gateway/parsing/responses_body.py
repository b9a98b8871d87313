"""Parses the few fields of a Responses request that the gateway acts on; everything else passes through."""

from __future__ import annotations

import msgspec

from budgets.admission.demand import Demand
from gateway.http.exceptions import BadRequest, not_json
from gateway.parsing.decoding import decode
from gateway.parsing.parsed_request import ParsedRequest
from gateway.parsing.schemas import MOST_TOKENS, Cap, Name
from providers.dialects.base import Shape
from providers.requests.responses.reading import ResponsesReading, read_responses

PATH = "responses"
COMPACT_PATH = "responses/compact"
COUNT_PATH = "responses/input_tokens"


class ResponsesBody(msgspec.Struct):
    """POST /v1/responses, as far as we act on it."""

    model: Name
    input: msgspec.Raw = msgspec.Raw(b"null")
    stream: bool | None = None
    max_output_tokens: Cap | None = None


_responses = msgspec.json.Decoder(ResponsesBody)


def peek_responses(raw: bytes) -> ParsedRequest:
    """Raises BadRequest, Unacceptable."""
    body = decode(_responses, raw)
    read = _read(raw, body)
    return ParsedRequest(body.model, _shape(body, read, PATH), _demand(read, read.cap), state=read.state)


def peek_compaction(raw: bytes) -> ParsedRequest:
    """Parse POST /v1/responses/compact. It has no cap, so the context window bounds what it writes.

    Raises BadRequest, Unacceptable.
    """
    body = decode(_responses, raw)
    if body.stream:
        raise BadRequest("'stream' is not a parameter of this path.", "stream")
    read = _read(raw, body)
    return ParsedRequest(body.model, _shape(body, read, COMPACT_PATH), _demand(read, 0), state=read.state)


def peek_input_tokens(raw: bytes) -> ParsedRequest:
    """Raises BadRequest, Unacceptable."""
    body = decode(_responses, raw)
    read = _read(raw, body)
    return ParsedRequest(
        body.model, _shape(body, read, COUNT_PATH), _demand(read, read.cap), state=read.state
    )


def _shape(body: ResponsesBody, read: ResponsesReading, path: str) -> Shape:
    return Shape(
        alias=body.model,
        path=path,
        stream=bool(body.stream),
        stated_cap=read.cap,
        cap_names=read.cap_names,
        content_key="output",
        exact=read.exact,
        names=read.names,
    )


def _demand(read: ResponsesReading, cap: int | None) -> Demand:
    return Demand(
        kind="chat",
        body_bytes=read.text_bytes,
        growth=read.growth,
        output_cap=None if cap is None else min(cap, MOST_TOKENS),
        messages=read.items,
        tools=read.tools,
        pictures=read.pictures,
        sounds=read.sounds,
        audio_ms=read.audio_ms,
        references=read.references,
        unknown=read.unknown,
        features=read.features,
        tier=read.tier,
        against_cap=read.against_cap,
        inputs=read.rounds,
        keeps=read.keeps,
        modalities=read.modalities,
        json_schema=read.json_schema,
    )


def _read(raw: bytes, body: ResponsesBody) -> ResponsesReading:
    """Raises BadRequest, Unacceptable."""
    try:
        return read_responses(raw, bytes(body.input))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise not_json(error) from None
