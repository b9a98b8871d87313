"""Reads the responses of the Converse API: the frames of a stream, or a whole document. Pure, incremental.

The usage comes after the end of the message, in `metadata`: until then the response is not complete. Text and
reasoning have no start of their own. A reserved tool (conversation/messages/reserved.py) becomes text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from typing_extensions import override

from providers.conversation.apis import ResponseReader
from providers.conversation.converse.blocks import Blocks
from providers.conversation.converse.usage import usage_of
from providers.conversation.converse.wire import Content, StreamEvent, Whole, read_event, read_whole
from providers.conversation.events import (
    Ended,
    Event,
    Failed,
    Finished,
    FinishReason,
    Started,
    UsageReported,
)
from providers.errors.inner_errors import MOST_BODY, is_error
from providers.framing.aws_event_stream import EventStreamParser, Frame
from providers.framing.aws_exceptions import StreamError, error_in
from providers.framing.malformed import MalformedStream
from providers.framing.sse import MAX_EVENT, GrantMemory
from providers.json_scan.limits import MalformedAnswer

_REASONS: Final = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "guardrail_intervened": FinishReason.CONTENT_FILTER,
    "content_filtered": FinishReason.CONTENT_FILTER,
    "refusal": FinishReason.CONTENT_FILTER,
}
_MALFORMED: Final = frozenset({"malformed_model_output", "malformed_tool_use"})
_READ: Final = frozenset(
    {"contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"}
)
_BROKEN: Final = 502
_any = msgspec.json.Decoder().decode


class AnswerReader(ResponseReader):
    """Reads one stream. `grant_memory` and `max_event` bound its frames."""

    def __init__(self, max_event: int = MAX_EVENT, grant_memory: GrantMemory | None = None) -> None:
        self._frames = EventStreamParser(max_event, grant_memory)
        self._blocks = Blocks()
        self._failure: Failed | None = (
            None  # the model's output was malformed: it fails once its usage is known
        )
        self._has_stopped = False

    @property
    @override
    def unfinished_bytes(self) -> int:
        return self._frames.unfinished_bytes

    @override
    def feed(self, block: bytes) -> Iterable[Event]:
        out: list[Event] = []
        for frame in self._frames.feed(block):
            try:
                out += self._read(frame)
            except MalformedStream as fault:
                if not out:
                    raise
                out.append(Failed(StreamError("malformed_event", str(fault), _BROKEN).body))
                break
        return out

    @override
    def close(self) -> Iterable[Event]:
        self._frames.close()
        return self._over()

    def _read(self, frame: Frame) -> list[Event]:
        if frame.message != "event":
            return [Failed(error_in(frame).body)]
        if frame.name == "messageStart":
            return [Started()]
        if frame.name not in _READ:
            return []
        try:
            event = read_event(frame.payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedStream(f"'{frame.name}' of another form: {error}") from error
        return self._take(frame.name, event)

    def _take(self, name: str, event: StreamEvent) -> list[Event]:
        at = event.content_block_index
        if name == "contentBlockDelta":
            return [] if event.delta is None else self._blocks.delta(at, event.delta)
        if name == "contentBlockStart":
            return [] if event.start is None else self._blocks.start(at, event.start)
        if name == "contentBlockStop":
            return self._blocks.stop(at)
        if name == "messageStop":
            return self._stopped(event)
        usage = None if event.usage is None else usage_of(event.usage, event.service_tier)
        out: list[Event] = [] if usage is None else [UsageReported(usage, is_final=True)]
        return [*out, *self._over()]

    def _over(self) -> list[Event]:
        """Return what ends a response whose message has ended, once."""
        last: list[Event] = [self._failure or Ended()] if self._has_stopped else []
        self._has_stopped = False
        return last

    def _stopped(self, event: StreamEvent) -> list[Event]:
        out, reason = self._blocks.end(), event.stop_reason or ""
        self._has_stopped = True
        if reason in _MALFORMED:
            self._failure = _malformed(reason)
            return out
        return [*out, _finished(reason, event.additional_model_response_fields, self._blocks)]


def read_document(raw: bytes) -> Iterable[Event]:
    """Return the events of a whole response. Raises MalformedAnswer."""
    try:
        whole = read_whole(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer(f"no response of Converse: {error}") from error
    usage = None if whole.usage is None else usage_of(whole.usage, whole.service_tier)
    reason = whole.stop_reason or ""
    if reason in _MALFORMED:
        raise MalformedAnswer(reason, usage, _malformed(reason).body)
    if whole.output is None and not reason:
        body = raw if len(raw) <= MOST_BODY and is_error(_any(raw)) else None
        raise MalformedAnswer("no output in the answer", usage, body)
    return _whole_events(whole, reason, [] if usage is None else [UsageReported(usage, is_final=True)])


def _whole_events(whole: Whole, reason: str, usage: list[Event]) -> list[Event]:
    message = whole.output.message if whole.output is not None else None
    content: list[Content] = (message.content if message is not None else None) or []
    blocks, out = Blocks(), list[Event]([Started()])
    for at, block in enumerate(content):
        out += blocks.whole(at, block)
    finished = _finished(reason, whole.additional_model_response_fields, blocks)
    return [*out, *usage, finished, Ended()]


def _finished(vendor_reason: str, fields: Any, blocks: Blocks) -> Finished:
    reason = _REASONS.get(vendor_reason, FinishReason.STOP)
    if reason is FinishReason.TOOL_CALLS and blocks.has_only_json:
        reason = FinishReason.STOP
    sequence = fields.get("stop_sequence") if isinstance(fields, dict) else None
    return Finished(reason, vendor_reason, sequence if isinstance(sequence, str) else None)


def _malformed(reason: str) -> Failed:
    return Failed(StreamError(reason, "the model's output was malformed", _BROKEN).body)
