"""Whole messages: read for their usage, made of events, and turned into events. Pure.

A client gets the form that it asked for, whichever its provider sends: both are billed.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.conversation.messages.answer_events import Whole, read_whole
from providers.conversation.messages.usage import usage_of
from providers.dialects.anthropic.aliased import Owner, whole
from providers.dialects.base import Answered
from providers.errors.inner_errors import MOST_BODY
from providers.json_scan.limits import MalformedAnswer

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_GROWING: Final = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "input"}


def read_message(raw: bytes, alias: str, owner: Owner) -> Answered:
    """Return the message for the client. Raises MalformedAnswer."""
    try:
        message = read_whole(raw)
    except msgspec.DecodeError as error:
        raise MalformedAnswer(str(error)) from error
    usage = None if message.usage is None else usage_of(message.usage)
    if message.content is None or message.type == "error":
        is_error = message.type == "error" or bool(message.error)
        raise MalformedAnswer(
            "no message in the answer", usage, raw if is_error and len(raw) <= MOST_BODY else None
        )
    try:
        body = whole(raw, alias, owner, message.content)
    except (msgspec.DecodeError, ValueError) as error:
        raise MalformedAnswer(str(error), usage) from error
    is_known = usage is not None and not usage.is_lacking
    return Answered(body, usage, "" if is_known else _text(message))


def _text(message: Whole) -> str:
    """Return all that was produced, to count its tokens."""
    pieces: list[str] = []
    for block in message.content or ():
        pieces += (block.name, block.text, block.thinking, bytes(block.input).decode("utf-8", "replace"))
    return "".join(pieces)


def as_events(raw: bytes) -> bytes:
    """Return a whole message as a stream of events, as its provider would send it. Raises MalformedAnswer."""
    document = _document(raw)
    content, usage = document.get("content"), document.get("usage")
    if not isinstance(content, list):
        return _event("error", document) if document.get("type") == "error" or "error" in document else b""
    begun = {**document, "content": [], "stop_reason": None, "stop_sequence": None}
    out = [_event("message_start", {"type": "message_start", "message": begun})]
    for index, block in enumerate(content):
        if isinstance(block, dict):
            out += _block_events(index, block)
    names = ("stop_reason", "stop_sequence", "stop_details", "container")
    delta = {name: document[name] for name in names if name in document}
    ended = {"type": "message_delta", "delta": delta, **({"usage": usage} if usage is not None else {})}
    return b"".join([*out, _event("message_delta", ended), _event("message_stop", {"type": "message_stop"})])


def _block_events(index: int, block: dict[str, Any]) -> list[bytes]:
    kind = block.get("type")
    begun, deltas = dict(block), []
    if kind == "text":
        begun["text"] = ""
        deltas = [{"type": "text_delta", "text": block.get("text", "")}]
    elif kind == "thinking":
        begun |= {"thinking": "", "signature": ""}
        deltas = [
            {"type": "thinking_delta", "thinking": block.get("thinking", "")},
            {"type": "signature_delta", "signature": block.get("signature", "")},
        ]
    elif "input" in block:
        begun["input"] = {}
        deltas = [{"type": "input_json_delta", "partial_json": _encode(block["input"]).decode()}]
    events = [
        _event("content_block_start", {"type": "content_block_start", "index": index, "content_block": begun})
    ]
    events += [
        _event("content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta})
        for delta in deltas
    ]
    return [*events, _event("content_block_stop", {"type": "content_block_stop", "index": index})]


def fold(events: bytes) -> bytes:
    """Return the message of a stream's events, which our stream wrote. Raises MalformedAnswer."""
    message: dict[str, Any] = {}
    blocks: dict[Any, _Growing] = {}
    for event in events.split(b"\n\n"):
        data = event.partition(b"data: ")[2]
        if not data:
            continue
        found = _document(data)
        kind, index = found.get("type"), found.get("index")
        if kind == "message_start" and isinstance(found.get("message"), dict):
            message |= found["message"]
        elif kind == "content_block_start" and isinstance(found.get("content_block"), dict):
            blocks[index] = _Growing(found["content_block"])
        elif kind == "content_block_delta" and index in blocks and isinstance(found.get("delta"), dict):
            blocks[index].add(found["delta"])
        elif kind == "message_delta":
            _end(message, found)
    if not message:
        raise MalformedAnswer("no message in the answer")
    return _encode({**message, "content": [block.whole() for block in blocks.values()]})


def _end(message: dict[str, Any], event: dict[str, Any]) -> None:
    if isinstance(event.get("delta"), dict):
        message |= event["delta"]
    known, given = message.get("usage"), event.get("usage")
    if isinstance(given, dict):
        known = known if isinstance(known, dict) else {}
        message["usage"] = known | {name: value for name, value in given.items() if value is not None}


class _Growing:
    """A block whose texts come in pieces."""

    def __init__(self, begun: dict[str, Any]) -> None:
        self._block = begun
        self._pieces: dict[str, list[str]] = {}

    def add(self, delta: dict[str, Any]) -> None:
        kind = delta.get("type")
        if kind == "signature_delta":
            self._block["signature"] = delta.get("signature")
        elif kind == "citations_delta":
            self._block["citations"] = [*(self._block.get("citations") or ()), delta.get("citation")]
        elif kind in _GROWING:
            value = delta.get("partial_json" if kind == "input_json_delta" else _GROWING[kind])
            self._pieces.setdefault(_GROWING[kind], []).append(value if isinstance(value, str) else "")

    def whole(self) -> dict[str, Any]:
        for name, pieces in self._pieces.items():
            text = "".join(pieces)
            if name != "input":
                self._block[name] = f"{self._block.get(name) or ''}{text}"
            elif text:
                self._block[name] = _document(text.encode("utf-8", "surrogatepass"))
        return self._block


def _document(raw: bytes) -> dict[str, Any]:
    """Raises MalformedAnswer."""
    try:
        found = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer(str(error)) from error
    return found if isinstance(found, dict) else {}


def _event(name: str, document: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode(document))
