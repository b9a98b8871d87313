"""Writes the parts of a conversation as content blocks. Pure.

What the API refuses is not written: empty text, thinking that was made elsewhere. Ids and names that do not fit are
replaced by ones that are always the same.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

import msgspec

from providers.conversation.content import (
    Audio,
    CacheMark,
    Document,
    Image,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from providers.conversation.messages.reserved import TEXT, tool_id, tool_name
from providers.conversation.parameters import Unsupported
from providers.target import Target

Block = dict[str, Any]

_IMAGES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_IMAGE_NAMES: Final = {"image/jpg": "image/jpeg"}
_PDF: Final = "application/pdf"
_PLAIN: Final = "text/plain"
_LONG: Final = frozenset({"1h", "12h", "24h"})  # kept for an hour, which is the longest
OWN_SIGNATURE: Final = (
    "gw:"  # of thinking that another vendor made (providers/conversation/messages/signatures.py)
)
CACHED: Final = "cache_control"
_raw = msgspec.json.Decoder(msgspec.Raw).decode


def mark(cache: CacheMark | None) -> Block:
    """Return the member of a block that ends a cached prefix, or no member."""
    if cache is None:
        return {}
    ttl = "1h" if cache.ttl in _LONG else "5m" if cache.ttl == "5m" else ""
    return {CACHED: {"type": "ephemeral", "ttl": ttl} if ttl else {"type": "ephemeral"}}


def text_block(part: Text) -> Block | None:
    if not part.text.strip():
        return None
    return {"type": "text", "text": part.text, **mark(part.cache)}


def block(part: Part, target: Target) -> Block | None:
    """Return the block of a part; None: the API takes none. Raises Unsupported."""
    if isinstance(part, Text):
        return text_block(part)
    if isinstance(part, ToolCall):
        return _call(part)
    if isinstance(part, ToolResult):
        return _result(part)
    if isinstance(part, Thinking):
        return _thinking(part, target)
    if isinstance(part, Refusal):
        return text_block(Text(part.text))
    if isinstance(part, Audio):
        raise Unsupported("input_audio", "is not understood by the model")
    return _image(part) if isinstance(part, Image) else _document(part)


def _call(part: ToolCall) -> Block:
    name = tool_name(part.name, is_custom=part.is_custom)
    given = {TEXT: part.arguments} if part.is_custom else _object(part.arguments)
    return {"type": "tool_use", "id": tool_id(part.id), "name": name, "input": given, **mark(part.cache)}


def _object(arguments: str) -> Any:
    """Return the arguments as they were written if they are an object, else an object that has them."""
    text = arguments.strip()
    if not text:
        return {}
    try:
        raw = _raw(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return {"arguments": arguments}
    return raw if text[0] == "{" else {"arguments": raw}


def _result(part: ToolResult) -> Block:
    content = [found for each in part.content if (found := _material(each)) is not None]
    out: Block = {"type": "tool_result", "tool_use_id": tool_id(part.call_id)}
    if content:
        out["content"] = content
    if part.is_error:
        out["is_error"] = True
    return {**out, **mark(part.cache)}


def _material(part: Text | Image | Document) -> Block | None:
    if isinstance(part, Text):
        return text_block(part)
    return _image(part) if isinstance(part, Image) else _document(part)


def _thinking(part: Thinking, target: Target) -> Block | None:
    """Thinking goes back to the account that made it, as it was; any other is left out."""
    is_foreign = bool(part.place) or part.signature.startswith(OWN_SIGNATURE)
    if is_foreign or not part.owner or not target.accepts_state_of(part.owner):
        return None
    if part.redacted:
        return {"type": "redacted_thinking", "data": part.redacted}
    return (
        {"type": "thinking", "thinking": part.text, "signature": part.signature} if part.signature else None
    )


def _image(part: Image) -> Block:
    if part.url:
        source = {"type": "url", "url": part.url}
    else:
        kind = part.media_type.lower()
        kind = _IMAGE_NAMES.get(kind, kind)
        if kind not in _IMAGES:
            raise Unsupported(
                "image_url", f"has the type '{part.media_type[:64]}', which the model does not read"
            )
        source = {"type": "base64", "media_type": kind, "data": part.data}
    return {"type": "image", "source": source, **mark(part.cache)}


def _document(part: Document) -> Block | None:
    if part.url:
        source = {"type": "url", "url": part.url}
    elif part.text or not part.data:
        if not part.text.strip():
            return None
        source = {"type": "text", "media_type": _PLAIN, "data": part.text}
    elif part.media_type == _PDF:
        source = {"type": "base64", "media_type": _PDF, "data": part.data}
    elif part.media_type.startswith("text/"):
        source = {"type": "text", "media_type": _PLAIN, "data": _decoded(part.data)}
    else:
        raise Unsupported("file", f"has the type '{part.media_type[:64]}', which the model does not read")
    title = {"title": part.name} if part.name else {}
    return {"type": "document", "source": source, **title, **mark(part.cache)}


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        raise Unsupported("file", "is no base64 of UTF-8 text") from None
