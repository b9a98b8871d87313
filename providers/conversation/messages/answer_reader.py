"""Reads the responses of the Messages API: the events of a stream, or a whole message. Pure, incremental.

Blocks of the provider's own tools, unknown blocks and unknown deltas are passed over. A tool that is reserved for text
(reserved.py) becomes text, and a custom tool's input becomes its text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from typing_extensions import override

from providers.conversation.apis import ResponseReader
from providers.conversation.events import (
    Annotated,
    BlockDelta,
    BlockEnded,
    BlockStarted,
    Ended,
    Event,
    Failed,
    Finished,
    FinishReason,
    Ping,
    Started,
    UsageReported,
)
from providers.conversation.messages.answer_events import (
    Block,
    Delta,
    StreamEvent,
    Whole,
    read_event,
    read_whole,
)
from providers.conversation.messages.reserved import CUSTOM, JSON_TOOL, text_in
from providers.conversation.messages.usage import UsageJson, merged, prompt_usage, usage_of
from providers.errors.inner_errors import MOST_BODY, body_of
from providers.framing.malformed import MalformedStream
from providers.framing.sse import ERROR, MAX_EVENT, EventTooLarge, GrantMemory, SseEvent, SseParser, events_of
from providers.json_scan.limits import MalformedAnswer

_REASONS: Final = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "pause_turn": FinishReason.STOP,
    "compaction": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.CONTENT_FILTER,
}
_EMPTY: Final = frozenset({b"", b"{}", b"null"})


class _Open(msgspec.Struct):
    """A block that has begun. `pieces`: of a custom tool's input, which is decoded as a whole."""

    kind: str
    is_custom: bool = False
    is_tool: bool = False
    has_content: bool = False
    chars: int = 0
    signature: str = ""
    redacted: str = ""
    pieces: list[str] = []


class Messages:
    """The events of one message, from those of its API."""

    __slots__ = ("_has_json", "_has_tools", "_open", "_usage")

    def __init__(self) -> None:
        self._open: dict[int, _Open] = {}
        self._usage: UsageJson | None = None
        self._has_tools = self._has_json = False

    def take(self, event: StreamEvent, data: bytes) -> list[Event]:
        """Return what one event means; `data` is its JSON."""
        kind = event.type
        if kind == "content_block_delta":
            return [] if event.delta is None else self._delta(event.index, event.delta)
        if kind == "content_block_start":
            return [] if event.content_block is None else self.start(event.index, event.content_block)
        if kind == "content_block_stop":
            return self.stop(event.index)
        return self._take_rare(event, data)

    def _take_rare(self, event: StreamEvent, data: bytes) -> list[Event]:
        """Do the same for an event that no block has."""
        kind = event.type
        if kind == "message_delta":
            return self._ended(event.delta or Delta(), event.usage)
        if kind == "message_start":
            return [self._started(event.message or Whole())]
        if kind == "message_stop":
            return [Ended()]
        if kind == "ping":
            return [Ping()]
        return [Failed(data[:MOST_BODY])] if kind == ERROR or (not kind and event.error) else []

    def whole(self, message: Whole) -> list[Event]:
        """Return the events of a whole message."""
        out: list[Event] = [Started(message.id)]
        for index, block in enumerate(message.content or ()):
            out += [*self.start(index, block), *self.stop(index)]
        return [*out, *self._ended(message, message.usage), Ended()]

    def start(self, index: int, block: Block) -> list[Event]:
        kind = block.type
        if kind == "text":
            self._open[index] = _Open("text")
            return [
                BlockStarted(index, "text"),
                *self._text(index, block.text),
                *[each for given in _list(block.citations) for each in self._annotated(index, given)],
            ]
        if kind in {"thinking", "redacted_thinking"}:
            self._open[index] = _Open("thinking", signature=block.signature, redacted=block.data)
            return [BlockStarted(index, "thinking"), *self._text(index, block.thinking)]
        return self._start_tool(index, block) if kind == "tool_use" else []

    def stop(self, index: int) -> list[Event]:
        block = self._open.pop(index, None)
        if block is None:
            return []
        ended = BlockEnded(index, signature=block.signature, redacted=block.redacted)
        if block.is_custom:
            return [BlockDelta(index, text_in("".join(block.pieces))), ended]
        if block.is_tool and not block.has_content:
            return [BlockDelta(index, "{}"), ended]
        return [ended]

    def _started(self, message: Whole) -> Started:
        self._usage = message.usage
        return Started(message.id, None if message.usage is None else prompt_usage(message.usage))

    def _start_tool(self, index: int, block: Block) -> list[Event]:
        is_json = block.name == JSON_TOOL
        is_custom = block.name.endswith(CUSTOM)
        self._has_json, self._has_tools = self._has_json or is_json, self._has_tools or not is_json
        self._open[index] = _Open("text" if is_json else "tool", is_custom=is_custom, is_tool=True)
        name = block.name.removesuffix(CUSTOM)
        began = (
            BlockStarted(index, "text")
            if is_json
            else BlockStarted(index, "tool", block.id, name, is_custom=is_custom)
        )
        given = bytes(block.input)
        return [began] if given in _EMPTY else [began, *self._text(index, given.decode("utf-8", "replace"))]

    def _delta(self, index: int, delta: Delta) -> list[Event]:
        kind = delta.type
        if kind == "text_delta":
            return self._text(index, delta.text)
        if kind == "input_json_delta":
            return self._text(index, delta.partial_json)
        if kind == "thinking_delta":
            return self._text(index, delta.thinking)
        if kind == "signature_delta" and index in self._open:
            self._open[index].signature = delta.signature or self._open[index].signature
        elif kind == "citations_delta":
            return self._annotated(index, delta.citation)
        return []

    def _text(self, index: int, text: str) -> list[Event]:
        block = self._open.get(index)
        if block is None or not text:
            return []
        block.has_content = True
        if block.is_custom:
            block.pieces.append(text)
            return []
        block.chars += len(text)
        return [BlockDelta(index, text)]

    def _annotated(self, index: int, citation: Any) -> list[Event]:
        block = self._open.get(index)
        if block is None or not isinstance(citation, dict):
            return []
        return [Annotated(index, _annotation(citation, block.chars))]

    def _ended(self, ended: Delta | Whole, given: UsageJson | None) -> list[Event]:
        """Return the usage and the end of a message. An event without a reason reports only usage."""
        if given is not None:
            self._usage = merged(self._usage, given)
        usage = None if self._usage is None or given is None else usage_of(self._usage)
        out: list[Event] = (
            [] if usage is None else [UsageReported(usage, is_final=ended.stop_reason is not None)]
        )
        if ended.stop_reason is None:
            return out
        reason = _REASONS.get(ended.stop_reason, FinishReason.STOP)
        if reason is FinishReason.TOOL_CALLS and self._has_json and not self._has_tools:
            reason = FinishReason.STOP
        details = ended.stop_details if isinstance(ended.stop_details, dict) else {}
        why = details.get("explanation")
        return [
            *out,
            Finished(reason, ended.stop_reason, ended.stop_sequence, why if isinstance(why, str) else ""),
        ]


class AnswerReader(ResponseReader):
    """Reads one stream. `grant_memory` and `max_event` bound its events (providers/framing/sse.py)."""

    def __init__(self, max_event: int = MAX_EVENT, grant_memory: GrantMemory | None = None) -> None:
        self._parser = SseParser(max_event, grant_memory)
        self._messages = Messages()

    @property
    @override
    def unfinished_bytes(self) -> int:
        return self._parser.pending_bytes

    @override
    def feed(self, block: bytes) -> Iterable[Event]:
        try:
            events = self._parser.feed(block)
        except EventTooLarge as error:
            out = self._take(error.events)
            if not out:
                raise MalformedStream(str(error), is_ours=error.is_ours) from error
            return [*out, Failed(body_of(str(error)))]
        return self._take(events)

    @override
    def close(self) -> Iterable[Event]:
        """The standard discards what no blank line follows; an error in it is still one."""
        left = self._parser.close()
        if not left or len(left) > MOST_BODY:
            return []
        return [each for event in events_of(left.rstrip(b"\n")) for each in self._read_last(event)]

    def _read_last(self, event: SseEvent) -> list[Event]:
        try:
            found = self._read(event)
        except MalformedStream:
            return []
        return [each for each in found if isinstance(each, Failed | Ended)]

    def _take(self, events: Iterable[bytes | SseEvent]) -> list[Event]:
        out: list[Event] = []
        for event in events:
            try:
                out += self._read(event)
            except MalformedStream as error:
                if not out:
                    raise
                out.append(Failed(error.body or body_of(str(error))))  # the events before it are still sent
                break
        return out

    def _read(self, event: bytes | SseEvent) -> list[Event]:
        data = event if isinstance(event, bytes) else event.data
        try:
            found = read_event(data)
        except msgspec.DecodeError as error:
            is_error = isinstance(event, SseEvent) and event.event == ERROR
            if is_error:
                return [Failed(body_of(data.decode("utf-8", "replace")))]
            if not data.strip():
                return []
            raise MalformedStream(f"an event that is not JSON: {error}") from error
        if not found.type and isinstance(event, SseEvent) and event.event == ERROR:
            return [Failed(data[:MOST_BODY])]
        return self._messages.take(found, data)


def read_document(raw: bytes) -> Iterable[Event]:
    """Return the events of a whole message. Raises MalformedAnswer."""
    try:
        message = read_whole(raw)
    except msgspec.DecodeError as error:
        raise MalformedAnswer(str(error)) from error
    if message.type == ERROR or (message.error and not message.content):
        return [Failed(raw[:MOST_BODY])]
    if message.content is None:
        usage = None if message.usage is None else usage_of(message.usage)
        raise MalformedAnswer("no message in the answer", usage)
    return Messages().whole(message)


def _annotation(citation: dict[str, Any], end: int) -> dict[str, Any]:
    """Return a citation in OpenAI's form; one that is not of a page in the vendor's, under its own type."""
    if isinstance(citation.get("url"), str):
        title = citation.get("title")
        found = {"start_index": 0, "end_index": end, "url": citation["url"], "title": title or ""}
        return {"type": "url_citation", "url_citation": found}
    kind = citation.get("type")
    name = kind if isinstance(kind, str) else "citation"
    return {"type": name, name: citation}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
