"""The body of POST /v1/messages as its reader decodes it. What may have several forms stays as it was written."""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

import msgspec

from providers.requests.money_classes import Unacceptable

T = TypeVar("T")
_LOCATION: Final = re.compile(r" - at `\$\.?(.*)`$")


class CacheControl(msgspec.Struct):
    type: str = "ephemeral"
    ttl: str | None = None


class Source(msgspec.Struct):
    """Of an image or a document. `content`: of a document made of blocks."""

    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: msgspec.Raw = msgspec.Raw()


class Citations(msgspec.Struct):
    enabled: bool | None = None


class Block(msgspec.Struct):
    """A content block of any type; a member is there if its type has it."""

    type: str
    text: str | None = None
    cache_control: CacheControl | None = None
    source: msgspec.Raw = msgspec.Raw()
    title: str | None = None
    context: str | None = None
    citations: msgspec.Raw = msgspec.Raw()
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    tool_use_id: str | None = None
    content: msgspec.Raw = msgspec.Raw()
    is_error: bool | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None


class Message(msgspec.Struct):
    role: str
    content: str | list[Block]


class ToolChoice(msgspec.Struct):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(msgspec.Struct):
    type: str
    budget_tokens: int | None = None
    display: str | None = None


class Format(msgspec.Struct):
    type: str
    schema: msgspec.Raw = msgspec.Raw()


class OutputConfig(msgspec.Struct):
    effort: str | None = None
    format: Format | None = None


class Metadata(msgspec.Struct):
    user_id: str | None = None


class Body(msgspec.Struct):
    """The members that are translated."""

    messages: list[Message]
    max_tokens: int | None = None
    system: str | list[Block] | None = None
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    tools: list[dict[str, msgspec.Raw]] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: Format | None = None
    metadata: Metadata | None = None
    service_tier: str | None = None


body = msgspec.json.Decoder(Body)
blocks = msgspec.json.Decoder(str | list[Block] | None)
source = msgspec.json.Decoder(Source)
citations = msgspec.json.Decoder(Citations | None)
members = msgspec.json.Decoder(dict[str, msgspec.Raw])
text = msgspec.json.Decoder(str | None)
flag = msgspec.json.Decoder(bool | None)
cache_control = msgspec.json.Decoder(CacheControl | None)


def decoded(decoder: msgspec.json.Decoder[T], raw: bytes | msgspec.Raw, where: str = "") -> T:
    """Return a value of the body. Raises Unacceptable, which names the member."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        words = str(error)
        place = _LOCATION.search(words)
        inside = "" if place is None else place.group(1)
        message = words if place is None else words[: place.start()]
        param = f"{where}.{inside}".strip(".")
        named = f" for '{param}'" if param else ""
        raise Unacceptable(
            f"Invalid value{named}: {message[:1].lower()}{message[1:]}.", param, "invalid_value"
        ) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Unacceptable(
            f"We could not parse the JSON body of your request: {error}.", "", "invalid_json"
        ) from None


def invalid(param: str, why: str) -> Unacceptable:
    """Return the error for a value that the API does not have."""
    return Unacceptable(f"Invalid value for '{param}': {why}.", param, "invalid_value")


def is_given(raw: Any) -> bool:
    """Return whether a member that stays as written is there, and not null."""
    return bytes(raw) not in (b"", b"null")
