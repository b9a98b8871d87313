"""Parses the few fields of a Messages body that the gateway acts on."""

from __future__ import annotations

from typing import Annotated

import msgspec

from gateway.parsing.decoding import decode
from gateway.parsing.parsed_request import Names, ParsedRequest
from gateway.parsing.schemas import Cap, Name, chat_demand, reading_of
from providers.dialects.base import Shape
from providers.requests.messages.reading import read_messages


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class MessagesBody(msgspec.Struct):
    """POST /v1/messages, as far as we act on it. Anthropic's API requires the cap."""

    model: Name
    max_tokens: Cap
    messages: Annotated[list[dict[str, msgspec.Raw]], msgspec.Meta(min_length=1)]
    stream: bool | None = None
    metadata: _Metadata | None = None


class CountBody(msgspec.Struct):
    """POST /v1/messages/count_tokens."""

    model: Name
    messages: Annotated[list[dict[str, msgspec.Raw]], msgspec.Meta(min_length=1)]


_messages = msgspec.json.Decoder(MessagesBody)
_count = msgspec.json.Decoder(CountBody)


def peek_messages(raw: bytes) -> ParsedRequest:
    """Raises BadRequest, Unacceptable."""
    body = decode(_messages, raw)
    read = reading_of(read_messages, raw, body.messages)
    shape = Shape(
        alias=body.model,
        path="messages",
        stream=bool(body.stream),
        stated_cap=read.cap,
        cap_names=read.cap_names,
        exact=read.exact,
        content_key="content",
    )
    user = body.metadata.user_id if body.metadata is not None else None
    return ParsedRequest(body.model, shape, chat_demand(read, len(body.messages)), Names(user))


def peek_count(raw: bytes) -> ParsedRequest:
    """Raises BadRequest, Unacceptable."""
    body = decode(_count, raw)
    read = reading_of(read_messages, raw, body.messages)
    shape = Shape(
        alias=body.model, path="messages/count_tokens", exact=read.exact, content_key="input_tokens"
    )
    return ParsedRequest(body.model, shape, chat_demand(read, len(body.messages)), Names())
