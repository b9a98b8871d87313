"""The JSON of Converse's responses, as far as it is read. Unknown members and kinds are passed over."""

from __future__ import annotations

from typing import Any

import msgspec

from providers.conversation.converse.usage import UsageJson


class ToolUse(msgspec.Struct, rename="camel"):
    """`input`: pieces of JSON text in a stream, the value in a document."""

    tool_use_id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw(b"")


class ReasoningText(msgspec.Struct):
    text: str | None = None
    signature: str | None = None


class Reasoning(msgspec.Struct, rename="camel"):
    """A stream has the members of `reasoningText` without it."""

    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None
    reasoning_text: ReasoningText | None = None


class CitedText(msgspec.Struct):
    text: str | None = None


class Citations(msgspec.Struct):
    content: list[CitedText] | None = None
    citations: list[Any] | None = None


class Content(msgspec.Struct, rename="camel"):
    """One block of a document, or what a delta adds to one."""

    text: str | None = None
    tool_use: ToolUse | None = None
    reasoning_content: Reasoning | None = None
    citations_content: Citations | None = None
    citation: Any = None


class StreamEvent(msgspec.Struct, rename="camel"):
    """The members of all events of a stream."""

    content_block_index: int = 0
    start: Content | None = None
    delta: Content | None = None
    stop_reason: str | None = None
    additional_model_response_fields: Any = None
    usage: UsageJson | None = None
    service_tier: Any = None


class MessageJson(msgspec.Struct):
    content: list[Content] | None = None


class Output(msgspec.Struct):
    message: MessageJson | None = None


class Whole(msgspec.Struct, rename="camel"):
    output: Output | None = None
    stop_reason: str | None = None
    additional_model_response_fields: Any = None
    usage: UsageJson | None = None
    service_tier: Any = None


read_event = msgspec.json.Decoder(StreamEvent).decode
read_whole = msgspec.json.Decoder(Whole).decode
