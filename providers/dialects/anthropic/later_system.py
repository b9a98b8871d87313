"""Turns system messages into a user's text, for models that take none among the messages (all before Opus 4.8). Pure.

Claude Code sends them to every model whose name it does not know, such as an alias. Only their bytes are changed: the
role, and a mark around each text, as in translated requests (providers/conversation/messages/request_writer.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from providers.conversation.messages.request_writer import SYSTEM_BEGIN, SYSTEM_END
from providers.dialects.anthropic.splice import Edit, Place, applied, inside, items, places
from providers.target import Target

_SYSTEM: Final = re.compile(rb'"role"\s*+:\s*+"system"')
_TEXT: Final = b'"text"'
_BEGIN: Final = msgspec.json.encode(SYSTEM_BEGIN)[1:-1]
_END: Final = msgspec.json.encode(SYSTEM_END)[1:-1]


class _Message(msgspec.Struct):
    role: Any = None


_role = msgspec.json.Decoder(_Message).decode


def as_user_text(raw: bytes, target: Target) -> bytes:
    """Return the body for this target; the same bytes if it has no system message, or the model takes them.

    Raises msgspec.DecodeError, MalformedAnswer.
    """
    if target.facts.system_in_messages or _SYSTEM.search(raw) is None:
        return raw
    messages = places(raw).get("messages")
    if messages is None or raw[messages.begin : messages.begin + 1] != b"[":
        return raw
    edits: list[Edit] = []
    for begin, end in items(raw, messages.begin, messages.end):
        if _SYSTEM.search(raw, begin, end) and _is_system(raw[begin:end]):
            edits += _edits(raw, inside(raw, Place(begin, begin, end)))
    return applied(raw, edits)


def _is_system(message: bytes) -> bool:
    return message[:1] == b"{" and _role(message).role == "system"


def _edits(raw: bytes, message: dict[str, Place]) -> Iterator[Edit]:
    role, content = message["role"], message.get("content")
    yield (role.begin, role.end, b'"user"')
    if content is None:
        return
    if raw[content.begin : content.begin + 1] != b"[":
        yield from _marked(raw, content)
        return
    for begin, end in items(raw, content.begin, content.end):
        block = inside(raw, Place(begin, begin, end))
        kind, text = block.get("type"), block.get("text")
        if kind is not None and text is not None and raw[kind.begin : kind.end] == _TEXT:
            yield from _marked(raw, text)


def _marked(raw: bytes, text: Place) -> Iterator[Edit]:
    if raw[text.begin : text.begin + 1] == b'"':
        yield (text.begin + 1, text.begin + 1, _BEGIN)
        yield (text.end - 1, text.end - 1, _END)
