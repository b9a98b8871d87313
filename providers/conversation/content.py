"""The parts of a conversation's turns. Values only; a reader of a client API makes them, a writer of an upstream API
uses them.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec


class CacheMark(msgspec.Struct, frozen=True):
    """The end of a prefix that the provider shall cache. `ttl` as the client wrote it ("5m", "1h"); "": the default."""

    ttl: str = ""


class Text(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Text; never dropped by a reader, even if empty: writers drop it where the API refuses it."""

    text: str
    cache: CacheMark | None = None


class Refusal(msgspec.Struct, frozen=True, gc=False, tag=True):
    """What the assistant said when it refused (OpenAI's `refusal`)."""

    text: str


class Image(msgspec.Struct, frozen=True, gc=False, tag=True):
    """An image: base64 with its media type, or a URL."""

    data: str = ""
    media_type: str = ""
    url: str = ""
    cache: CacheMark | None = None


class Audio(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Sound: base64, and its format such as "wav" or "mp3"."""

    data: str
    format: str


class Document(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A document: base64 with its media type, a plain text, or a URL. `name` is the file's, for people."""

    data: str = ""
    media_type: str = ""
    text: str = ""
    url: str = ""
    name: str = ""
    cache: CacheMark | None = None


OF_TEXT: Final = "text"  # a place of a signature


class Thinking(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A vendor's thinking, to be returned unchanged to the account that made it.

    `signature` is the vendor's own, `redacted` the data of a block without text. `owner` is the id of the deployment
    that made it (providers/isolation/ownership.py); 0: the client does not say. `place`: where a signature without a
    block of its own belongs: the id of a tool call, or "text" for the text that follows (Gemini).
    """

    text: str = ""
    signature: str = ""
    redacted: str = ""
    owner: int = 0
    place: str = ""


class ToolCall(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A call that the assistant made. `arguments`: the text of a JSON object; of a custom tool the input as it is."""

    id: str
    name: str
    arguments: str
    is_custom: bool = False
    cache: CacheMark | None = None


class ToolResult(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The result of a call, in a user's turn."""

    call_id: str
    content: tuple[Text | Image | Document, ...] = ()
    is_error: bool = False
    is_custom: bool = False
    cache: CacheMark | None = None


Part: TypeAlias = Text | Refusal | Image | Audio | Document | Thinking | ToolCall | ToolResult
