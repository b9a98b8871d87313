"""Parses the few fields of a request that the gateway acts on. Everything else passes through as the bytes received."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

import msgspec

from budgets.admission.demand import Demand
from gateway.http.exceptions import BadRequest, not_json
from gateway.parsing.decoding import decode
from gateway.parsing.parsed_request import ParsedRequest
from providers.dialects.base import Shape
from providers.requests.caps import MOST_CAP
from providers.requests.completion_reading import read_completions
from providers.requests.completions import DEFAULT_CAP
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


class EmbeddingsBody(msgspec.Struct):
    """POST /v1/embeddings: `input` is a string, a list of strings, token ids, or a list of those."""

    model: Name
    input: msgspec.Raw


class CompletionsBody(msgspec.Struct):
    """POST /v1/completions: `prompt` is a string, a list of strings, token ids, or a list of those."""

    model: Name
    prompt: msgspec.Raw
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Cap | None = None
    n: Choices | None = None
    best_of: Choices | None = None


_chat = msgspec.json.Decoder(ChatBody)
_completions = msgspec.json.Decoder(CompletionsBody)
_embeddings = msgspec.json.Decoder(EmbeddingsBody)
MOST_TOKENS = 100_000_000  # higher client values count as this: no model writes so much


def peek_chat(raw: bytes) -> ParsedRequest:
    """Raises BadRequest, Unacceptable."""
    body = decode(_chat, raw)
    read = reading_of(read_chat, raw, body.messages)
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
    return ParsedRequest(body.model, shape, chat_demand(read, len(body.messages)))


def chat_demand(read: Reading, messages: int) -> Demand:
    """Return what a call that writes text may consume at most."""
    return Demand(
        kind="chat",
        body_bytes=read.text_bytes,
        growth=read.growth,
        output_cap=min(read.cap, MOST_TOKENS) if read.cap is not None else None,
        n=read.choices,
        messages=read.messages or messages,
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
        place=read.place,
        against_cap=read.against_cap,
        predicted_bytes=read.predicted_bytes,
        has_audio_output=read.has_audio_output,
        keeps=read.keeps,
        modalities=read.modalities,
        json_schema=read.json_schema,
        inputs=read.inputs,
    )


def peek_completions(raw: bytes) -> ParsedRequest:
    """Raises BadRequest, Unacceptable."""
    body = decode(_completions, raw)
    given = bytes(body.prompt)
    if given[:1] not in b'"[' or given == b"[]":
        raise BadRequest("'prompt' must be a string, or a list of strings or of token ids.", "prompt")
    read = reading_of(read_completions, raw, given)
    shape = Shape(
        alias=body.model,
        path="completions",
        stream=bool(body.stream),
        include_usage=body.stream_options is not None and bool(body.stream_options.include_usage),
        choices=(body.n or 1) * read.inputs,
        stated_cap=read.cap,
        cap_names=read.cap_names,
        exact=read.exact,
        names=read.names,
    )
    demand = Demand(
        kind="chat",
        body_bytes=read.text_bytes,
        output_cap=min(DEFAULT_CAP if read.cap is None else read.cap, MOST_TOKENS),
        n=read.choices * read.inputs,
        messages=read.inputs,
        inputs=read.inputs,
        references=read.references,
        unknown=read.unknown,
        tier=read.tier,
        against_cap=read.against_cap,
        keeps=read.keeps,
    )
    return ParsedRequest(body.model, shape, demand)


def peek_embeddings(raw: bytes) -> ParsedRequest:
    """Raises BadRequest, Unacceptable."""
    body = decode(_embeddings, raw)
    given = bytes(body.input)
    if given[:1] not in b'"[' or given in (b'""', b"[]"):
        raise BadRequest("'input' must be a non-empty string, or a list of strings or of token ids.", "input")
    read = reading_of(read_embeddings, raw, given)
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


def reading_of(reading: Callable[[bytes, T], Reading], raw: bytes, looked_at: T) -> Reading:
    """Raises BadRequest, Unacceptable."""
    try:
        return reading(raw, looked_at)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise not_json(error) from None
