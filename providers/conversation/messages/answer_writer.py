"""Writes responses as Anthropic's Messages API does: a stream of events, or a document. Pure.

Source: the API reference, "Streaming messages": message_start, then each block with its start, its deltas and its stop,
one after the other, then message_delta with the reason and the final usage, and message_stop.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import orjson
from typing_extensions import override

from providers.conversation.apis import StreamWriter, WriterContext
from providers.conversation.content import OF_TEXT
from providers.conversation.events import (
    Annotated,
    BlockDelta,
    BlockEnded,
    BlockStarted,
    Ended,
    Event,
    Finished,
    Ping,
    Started,
    UsageReported,
)
from providers.conversation.folding import Block, Message
from providers.conversation.messages import signatures
from providers.conversation.messages.reporting import estimated, stop_of, usage_of
from providers.usage import Usage

PING: Final = b'event: ping\ndata: {"type":"ping"}\n\n'
INVALID_JSON: Final = (
    "INVALID_JSON"  # Anthropic's documentation: what wraps arguments that are no JSON object
)
_CITATION: Final = "url_citation"
_TEXTS: Final = frozenset({"text", "refusal"})
_arguments = msgspec.json.Decoder(dict[str, msgspec.Raw])


class MessagesStream(StreamWriter):
    """The events of choice 0: the API has no other."""

    def __init__(self, context: WriterContext) -> None:
        self.final = b""
        self._context = context
        self._usage: Usage | None = None
        self._finished: Finished | None = None
        self._index = -1  # of the open block, or of the last one
        self._block: BlockStarted | None = None  # the open one
        self._is_shown = False  # its start was written
        self._refusal: list[str] = []
        self._produced_bytes = 0
        self._held = b""  # signatures of texts, until another block follows

    @override
    def write(self, event: Event) -> bytes:
        if isinstance(event, BlockDelta):
            return self._delta(event) if event.choice == 0 else b""
        if isinstance(event, BlockStarted | BlockEnded | Annotated):
            return self._of_block(event) if event.choice == 0 else b""
        if isinstance(event, Ping):
            return PING
        if isinstance(event, Started):
            self._usage = event.usage
            return _event("message_start", {"message": self._opened()})
        if isinstance(event, UsageReported):
            self._usage = event.usage
        elif isinstance(event, Finished):
            self._finished = event if event.choice == 0 else self._finished
        elif isinstance(event, Ended):
            self.final = self._closed()
        return b""

    @override
    def failed(self, body: bytes) -> bytes:
        return b"event: error\ndata: %b\n\n" % body

    def _opened(self) -> dict[str, Any]:
        usage = estimated(self._usage, self._context)
        return _message(self._context, [], {"stop_reason": None, "stop_sequence": None}, usage_of(usage))

    def _closed(self) -> bytes:
        usage = estimated(self._usage, self._context, self._produced_bytes)
        stop = stop_of(self._finished, "".join(self._refusal))
        last = _event("message_delta", {"delta": stop, "usage": usage_of(usage)})
        return last + _event("message_stop", {})

    def _of_block(self, event: BlockStarted | BlockEnded | Annotated) -> bytes:
        if isinstance(event, BlockStarted):
            self._block, self._is_shown = event, False
            out, self._held = self._held, b""
            return out + (self._start() if event.kind == "tool" else b"")
        if isinstance(event, BlockEnded):
            return self._end(event)
        is_text = self._block is not None and self._block.kind in _TEXTS
        citation = _citation(event.annotation) if is_text else None
        return b"" if citation is None else self._start() + self._add("citations_delta", "citation", citation)

    def _start(self, block: dict[str, Any] | None = None) -> bytes:
        """Return the start of the open block, once."""
        begun = self._block
        if begun is None or self._is_shown:
            return b""
        self._is_shown = True
        self._index += 1
        content = block or _empty(begun, self._context, self._index)
        return _event("content_block_start", {"index": self._index, "content_block": content})

    def _delta(self, event: BlockDelta) -> bytes:
        begun = self._block
        if begun is None or not event.text:
            return b""
        self._produced_bytes += len(event.text)
        if begun.kind == "tool":
            return self._add("input_json_delta", "partial_json", event.text)
        if begun.kind == "thinking":
            return self._start() + self._add("thinking_delta", "thinking", event.text)
        if begun.kind == "refusal":
            self._refusal.append(event.text)
        return self._start() + self._add("text_delta", "text", event.text)

    def _end(self, event: BlockEnded) -> bytes:
        begun = self._block
        if begun is None:
            return b""
        is_bare = begun.kind == "thinking" and not self._is_shown and _is_of_text(event)
        out = self._end_thinking(event) if begun.kind == "thinking" else b""
        if self._is_shown:
            out += _event("content_block_stop", {"index": self._index})
        self._block, self._is_shown = None, False
        if is_bare and self._index > 0:
            self._held, out = self._held + out, b""
        return out

    def _end_thinking(self, event: BlockEnded) -> bytes:
        """Return the signature, or a block of redacted thinking: whether it is one shows only now."""
        context, out = self._context, b""
        if self._is_shown or event.signature:
            signature = signatures.written(event.signature, event.place, context.owner, context.ownership)
            out = self._start() + self._add("signature_delta", "signature", signature)
        if not event.redacted:
            return out
        if self._is_shown:
            out += _event("content_block_stop", {"index": self._index})
            self._is_shown = False
        return out + self._start(_redacted(event.redacted, context))

    def _add(self, kind: str, name: str, value: Any) -> bytes:
        return _event("content_block_delta", {"index": self._index, "delta": {"type": kind, name: value}})


def document(message: Message, context: WriterContext) -> bytes:
    """Return the whole response."""
    choice = message.choice()
    content: list[dict[str, Any]] = []
    for block in choice.blocks:
        content += _written(block, context, len(content))
    for block in reversed(choice.blocks):
        is_bare = block.kind == "thinking" and not block.text and _is_of_text(block)
        if not is_bare or len(content) == 1:
            break
        content.pop()
    produced = sum([len(text) for block in choice.blocks for text in block.texts])
    usage = estimated(message.usage, context, produced)
    refusal = "".join([block.text for block in choice.blocks if block.kind == "refusal"])
    stop = stop_of(choice.finished, refusal)
    return _dumped(_message(context, content, stop, usage_of(usage)))


def _is_of_text(ended: BlockEnded | Block) -> bool:
    """Whether a block of thinking is the signature of a text. Behind the last text it is left out: clients take the
    last block for the result, and Gemini does not need it.
    """
    return ended.place == OF_TEXT and bool(ended.signature) and not ended.redacted


def _message(
    context: WriterContext, content: list[dict[str, Any]], stop: dict[str, Any], usage: dict[str, Any]
) -> dict[str, Any]:
    return {
        "id": f"msg_{_id(context)}",
        "type": "message",
        "role": "assistant",
        "model": context.alias,
        "content": content,
        **stop,
        "usage": usage,
    }


def _id(context: WriterContext) -> str:
    return context.response_id.removeprefix("req_")


def _written(block: Block, context: WriterContext, index: int) -> list[dict[str, Any]]:
    """Return a block of a document."""
    if block.kind == "tool":
        return [
            {
                "type": "tool_use",
                "id": block.id or _call_id(context, index),
                "name": block.name,
                "input": _input(block.text),
            }
        ]
    if block.kind != "thinking":
        written: dict[str, Any] = {"type": "text", "text": block.text}
        citations = [found for each in block.annotations if (found := _citation(each)) is not None]
        if citations:
            written["citations"] = citations
        return [written] if block.text or citations else []
    parts: list[dict[str, Any]] = []
    if block.text or block.signature:
        signature = signatures.written(block.signature, block.place, context.owner, context.ownership)
        parts.append({"type": "thinking", "thinking": block.text, "signature": signature})
    if block.redacted:
        parts.append(_redacted(block.redacted, context))
    return parts


def _input(arguments: str) -> orjson.Fragment | dict[str, Any]:
    """Return the arguments of a call as an object, in the words of the model."""
    if not arguments.strip():
        return {}
    try:
        _arguments.decode(arguments)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return {INVALID_JSON: arguments}
    return orjson.Fragment(arguments)


def _empty(begun: BlockStarted, context: WriterContext, index: int) -> dict[str, Any]:
    if begun.kind == "tool":
        identity = begun.id or _call_id(context, index)
        return {"type": "tool_use", "id": identity, "name": begun.name, "input": {}}
    if begun.kind == "thinking":
        return {"type": "thinking", "thinking": "", "signature": ""}
    return {"type": "text", "text": ""}


def _redacted(data: str, context: WriterContext) -> dict[str, Any]:
    marked = signatures.written_data(data, context.owner, context.ownership)
    return {"type": "redacted_thinking", "data": marked}


def _call_id(context: WriterContext, index: int) -> str:
    """Return an id for a call whose provider gave it none."""
    return f"toolu_{_id(context)}_{index}"


def _citation(annotation: dict[str, Any]) -> dict[str, Any] | None:
    """Return an annotation as a citation; None for one that has no address."""
    given = annotation.get(_CITATION)
    stated = given if isinstance(given, dict) else annotation
    url, title = stated.get("url"), stated.get("title")
    if annotation.get("type") != _CITATION or not isinstance(url, str):
        return None
    return {
        "type": "web_search_result_location",
        "url": url,
        "title": title if isinstance(title, str) else None,
        "cited_text": "",
        "encrypted_index": "",
    }


def _event(kind: str, members: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), _dumped({"type": kind, **members}))


def _dumped(value: dict[str, Any]) -> bytes:
    """Return JSON; lone surrogates, which a provider may send as escapes, become replacement characters."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(_clean(value))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_clean(name): _clean(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_clean(each) for each in value]
    return value
