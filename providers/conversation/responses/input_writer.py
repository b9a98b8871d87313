"""Writes the turns of a conversation as `input` items of Responses. Pure. The same turn always gives the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final

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
from providers.conversation.parameters import Unsupported
from providers.conversation.request import Conversation, Turn
from providers.target import Target

LONGEST_CALL_ID: Final = 64
_ROLES: Final = {"system": "developer", "user": "user", "assistant": "assistant"}
_FILE_NAMES: Final = {"application/pdf": "document.pdf", "text/plain": "document.txt"}


def items_of(conversation: Conversation, target: Target) -> list[dict[str, Any]]:
    """Raises Unsupported."""
    items: list[dict[str, Any]] = []
    if conversation.system:
        content = [{"type": "input_text", "text": part.text} for part in conversation.system]
        items.append({"type": "message", "role": "developer", "content": content})
    for turn in conversation.turns:
        items += _turn(turn, target)
    return items


def call_id_of(vendor_id: str) -> str:
    """Return a call's id in a form that OpenAI accepts: the same for the call and its result."""
    if 0 < len(vendor_id) <= LONGEST_CALL_ID:
        return vendor_id
    return f"call_{hashlib.sha256(vendor_id.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def _turn(turn: Turn, target: Target) -> Iterator[dict[str, Any]]:
    content: list[dict[str, Any]] = []  # of a message that is not complete
    role = _ROLES[turn.role]
    for part in turn.parts:
        item = _item(part, target)
        if item is not None:
            if content:
                yield {"type": "message", "role": role, "content": content}
                content = []
            yield item
        elif not isinstance(part, Thinking):
            content.append(_content(part, is_output=turn.role == "assistant"))
    if content:
        yield {"type": "message", "role": role, "content": content}


def _item(part: Part, target: Target) -> dict[str, Any] | None:
    """Return the item that a part is; None: it is content of a message, or thinking of another account."""
    if isinstance(part, ToolCall):
        head = {"call_id": call_id_of(part.id), "name": part.name}
        if part.is_custom:
            return {"type": "custom_tool_call", **head, "input": part.arguments}
        return {"type": "function_call", **head, "arguments": part.arguments or "{}"}
    if isinstance(part, ToolResult):
        kind = "custom_tool_call_output" if part.is_custom else "function_call_output"
        return {"type": kind, "call_id": call_id_of(part.call_id), "output": _output(part)}
    if (
        isinstance(part, Thinking)
        and part.signature
        and not part.place
        and target.accepts_state_of(part.owner)
    ):
        summary = [{"type": "summary_text", "text": part.text}] if part.text else []
        return {"type": "reasoning", "summary": summary, "encrypted_content": part.signature}
    return None


def _output(result: ToolResult) -> str | list[dict[str, Any]]:
    texts = [part.text for part in result.content if isinstance(part, Text)]
    if len(texts) == len(result.content) and len(texts) <= 1:
        return texts[0] if texts else ""
    return [_content(part, is_output=False) for part in result.content]


def _content(part: Part, *, is_output: bool) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "output_text" if is_output else "input_text", "text": part.text}
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": part.text}
    if isinstance(part, Image):
        url = part.url or f"data:{part.media_type or 'image/png'};base64,{part.data}"
        return {"type": "input_image", "image_url": url}
    if isinstance(part, Document):
        return _document(part)
    assert isinstance(part, Audio)  # noqa: S101 - the others are items
    raise Unsupported("input_audio", "takes no audio")


def _document(part: Document) -> dict[str, Any]:
    if part.url:
        return {"type": "input_file", "file_url": part.url}
    if part.text:
        return {"type": "input_text", "text": part.text}
    media_type = part.media_type or "application/pdf"
    name = part.name or _FILE_NAMES.get(media_type, "document")
    return {"type": "input_file", "filename": name, "file_data": f"data:{media_type};base64,{part.data}"}
