"""Writes the parts of a conversation as Converse's content blocks: an object with one member each. Pure.

Blank text, and thinking that was made elsewhere, are not written, since the API refuses them.
"""

from __future__ import annotations

import base64
from typing import Any, Final

import msgspec

from providers.conversation.content import (
    Audio,
    Document,
    Image,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from providers.conversation.converse.writing.names import tool_id, tool_name
from providers.conversation.messages.reserved import TEXT
from providers.conversation.messages.writing.content import OWN_SIGNATURE
from providers.conversation.parameters import Unsupported
from providers.target import Target

Block = dict[str, Any]

FILLER: Final = "."  # a text where the API requires one
_IMAGES: Final = {
    "image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp",
}  # fmt: skip
_DOCUMENTS: Final = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_raw = msgspec.json.Decoder(msgspec.Raw).decode


class ContentWriter:
    """For one request: its documents have names of their own, in their order."""

    __slots__ = ("_documents", "_target", "_vendor")

    def __init__(self, target: Target) -> None:
        self._target, self._vendor, self._documents = target, target.facts.vendor, 0

    def block(self, part: Part) -> Block | None:
        """Return the block of a part; None: none is sent. Raises Unsupported."""
        if isinstance(part, Text | Refusal):
            return {"text": part.text} if part.text.strip() else None
        if isinstance(part, ToolCall):
            return self._call(part)
        if isinstance(part, ToolResult):
            return self._result(part)
        if isinstance(part, Thinking):
            return self._thinking(part)
        if isinstance(part, Audio):
            return {"audio": {"format": part.format, "source": {"bytes": part.data}}}
        return _image(part) if isinstance(part, Image) else self._document(part)

    def _call(self, part: ToolCall) -> Block:
        given = {TEXT: part.arguments} if part.is_custom else _object(part.arguments)
        name = tool_name(part.name, is_custom=part.is_custom)
        return {"toolUse": {"toolUseId": tool_id(part.id, self._vendor), "name": name, "input": given}}

    def _result(self, part: ToolResult) -> Block:
        content = [found for each in part.content if (found := self._material(each)) is not None]
        result: Block = {
            "toolUseId": tool_id(part.call_id, self._vendor),
            "content": content or [{"text": FILLER}],
        }
        if part.is_error and self._vendor != "writer":
            result["status"] = "error"
        return {"toolResult": result}

    def _material(self, part: Text | Image | Document) -> Block | None:
        if isinstance(part, Text):
            return {"text": part.text} if part.text.strip() else None
        return _image(part) if isinstance(part, Image) else self._document(part)

    def _thinking(self, part: Thinking) -> Block | None:
        """Thinking goes back to the account that made it, as it was; any other is left out, and what is unsigned."""
        is_foreign = bool(part.place) or part.signature.startswith(OWN_SIGNATURE)
        if is_foreign or not part.owner or not self._target.accepts_state_of(part.owner):
            return None
        if part.redacted:
            return {"reasoningContent": {"redactedContent": part.redacted}}
        if not part.signature:
            return None
        return {"reasoningContent": {"reasoningText": {"text": part.text, "signature": part.signature}}}

    def _document(self, part: Document) -> Block | None:
        if part.url:
            raise Unsupported("file", "reads no documents behind an address")
        if part.text or not part.data:
            if not part.text.strip():
                return None
            kind, data = "txt", base64.b64encode(part.text.encode("utf-8", "replace")).decode()
        else:
            media_type = part.media_type.partition(";")[0].strip().lower()
            kind, data = _DOCUMENTS.get(media_type, ""), part.data
            if not kind:
                raise Unsupported("file", f"has the type '{media_type[:64]}', which the model does not read")
        self._documents += 1
        return {
            "document": {
                "format": kind,
                "name": f"document-{self._documents}",
                "source": {"bytes": data},
            }
        }


def _image(part: Image) -> Block:
    if part.url:
        raise Unsupported("image_url", "reads no images behind an address")
    kind = _IMAGES.get(part.media_type.lower())
    if kind is None:
        raise Unsupported(
            "image_url", f"has the type '{part.media_type[:64]}', which the model does not read"
        )
    return {"image": {"format": kind, "source": {"bytes": part.data}}}


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
