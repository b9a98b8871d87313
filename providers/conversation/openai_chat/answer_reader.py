"""Reads a chat response of OpenAI's shape, stream or document, in all the ways in which servers deviate from it."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from typing import Any, Final

from typing_extensions import override

from providers.conversation.apis import ResponseReader
from providers.conversation.events import Ended, Event, Failed, Started, UsageReported
from providers.conversation.openai_chat.choice_reader import ChoiceReader
from providers.conversation.openai_chat.chunk import Choice, Chunk, chunk_of
from providers.errors.inner_errors import MOST_BODY, body_of, choice_error, error_body, has_failed, is_error
from providers.framing.malformed import MalformedStream
from providers.framing.sse import (
    ERROR,
    MAX_EVENT,
    NO_FIELD,
    EventTooLarge,
    GrantMemory,
    SseEvent,
    SseParser,
    events_of,
)
from providers.json_scan.lenient import read_any
from providers.json_scan.limits import MalformedAnswer
from providers.json_scan.repaired import in_utf8
from providers.reported_usage.in_stream import ReportedUsage
from providers.reported_usage.places import usage_in, usage_of_twins

_DONE: Final = b"[DONE]"
_USAGE: Final = b'"usage'
_MOST_WORDS: Final = 4_000  # bytes quoted of data that is no chunk
_MOST_CHOICES: Final = 1_024  # a request has at most 128
NOT_ENDED: Final = frozenset({"", "null", "none"})  # finish reasons of a choice that continues


class ChatReader(ResponseReader):
    """One stream."""

    def __init__(self, max_event: int = MAX_EVENT, grant_memory: GrantMemory | None = None) -> None:
        self._parser = SseParser(max_event, grant_memory)
        self._events = _Events()

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
        left = self._parser.close()
        if not left or len(left) > MOST_BODY:
            return []
        odd = [
            event
            for event in events_of(left.rstrip(b"\n"))
            if event.event in (ERROR, NO_FIELD) or event.data.strip() == _DONE
        ]
        return self._take(odd)

    def _take(self, events: Iterable[bytes | SseEvent]) -> list[Event]:
        """Raises MalformedStream, unless there are events before the fault."""
        out: list[Event] = []
        for event in events:
            try:
                out += self._events.of_event(event)
            except MalformedStream as fault:
                if not out:
                    raise
                out.append(Failed(fault.body or body_of(str(fault))))
        return out


class _Events:
    """The events of one response."""

    def __init__(self) -> None:
        self._has_begun = self._is_over = False
        self._prefix = ""
        self._choices: dict[int, ChoiceReader] = {}
        self._reported = ReportedUsage()
        self._tier: Any = None

    def of_event(self, event: bytes | SseEvent) -> list[Event]:
        """Raises MalformedStream."""
        data = event
        if isinstance(data, SseEvent):
            kind, data = data.event, data.data.strip().replace(b"\n", b" ")
            if kind == ERROR:
                is_object = data[:1] == b"{"
                body = error_body(data, read_any(data)) or data if is_object else None
                return [Failed(body or body_of(in_utf8(data).decode()))]
            if data.startswith(_DONE):
                return self._done()
            if not data:
                return []
            if kind == NO_FIELD or data[:1] != b"{":
                raise _no_chunk(data)
        return self._of_data(data)

    def _of_data(self, data: bytes) -> list[Event]:
        chunk = chunk_of(data)
        if chunk is None:
            raise _no_chunk(data)
        if self._is_over:  # some servers report the usage after the end
            return self._usage(data, chunk)
        error = _error_in(data, chunk)
        if error is not None:
            return [*self._usage(data, chunk), Failed(error)]
        return self.of_chunk(data, chunk, is_whole=False)

    def of_chunk(self, data: bytes, chunk: Chunk, *, is_whole: bool) -> list[Event]:
        """Return the events of a chunk, or of a whole response."""
        out: list[Event] = []
        choices = chunk.choices or []
        if choices and not self._has_begun:
            self._has_begun = True
            response_id = chunk.id or ""
            source = f"{response_id} {chunk.created}" if response_id else uuid.uuid4().hex
            self._prefix = f"call_{hashlib.sha256(source.encode()).hexdigest()[:16]}_"
            out.append(Started(response_id))
        if chunk.service_tier:
            self._tier = chunk.service_tier
        for choice in choices:
            out += self._of_choice(choice, is_whole=is_whole)
            if out and isinstance(out[-1], Failed):
                return out
        return out + self._usage(data, chunk)

    def _of_choice(self, choice: Choice, *, is_whole: bool) -> list[Event]:
        reader = self._choices.get(choice.index)
        if reader is None:
            if len(self._choices) >= _MOST_CHOICES:
                return [Failed(body_of("more choices than any request has"))]
            reader = ChoiceReader(choice.index, f"{self._prefix}{choice.index or ''}")
            self._choices[choice.index] = reader
        out = reader.take(choice, is_whole=is_whole)
        reason = choice.finish_reason or ""
        if choice.error or has_failed(reason):
            return [*out, Failed(body_of(choice.error or f"finish_reason: {reason}"))]
        if is_whole or reason.lower() not in NOT_ENDED:
            out += reader.finish("" if reason.lower() in NOT_ENDED else reason)
        return out

    def _usage(self, data: bytes, chunk: Chunk) -> list[Event]:
        """Return the usage so far, if this event reports it."""
        if chunk.usage is None and data.count(_USAGE) < 2:  # noqa: PLR2004 - only the null
            return []
        if _USAGE not in data:
            return []
        given = usage_of_twins(data) or chunk.usage
        if given:
            is_output = self._reported.merge(given, self._tier)
        else:
            is_output = self._reported.merge_elsewhere(read_any(data), self._tier)
        usage = self._reported.usage
        if usage is None:
            return []
        is_over = bool(self._choices) and all(each.is_finished for each in self._choices.values())
        return [UsageReported(usage, is_final=is_output and is_over)]

    def _done(self) -> list[Event]:
        if self._is_over:
            return []
        if not self._choices:
            return [Failed(body_of("[DONE] without any choice"))]
        self._is_over = True
        ended = [event for reader in self._choices.values() for event in reader.finish("")]
        return [*ended, Ended()]


def document(raw: bytes) -> Iterable[Event]:
    """Return the events of a whole response. Raises MalformedAnswer."""
    chunk = chunk_of(raw)
    if chunk is None:
        given = read_any(raw)
        body = raw if is_error(given) and len(raw) <= MOST_BODY else None
        raise MalformedAnswer("not a chat completion", usage_in(raw), body)
    choices = chunk.choices
    failed = choices and all(each.error or has_failed(each.finish_reason) for each in choices)
    if chunk.error or not choices or failed:
        given = read_any(raw)
        body = choice_error(given.get("choices")) if failed and not chunk.error else error_body(raw, given)
        body = body if body is None or len(body) <= MOST_BODY else body_of("an error of many words")
        raise MalformedAnswer("no 'choices' in the answer", usage_in(raw), body)
    events = _Events().of_chunk(raw, chunk, is_whole=True)
    return [*events, Ended()]


def _error_in(data: bytes, chunk: Chunk) -> bytes | None:
    """Return the body of an error in place of a chunk."""
    if chunk.error:
        return data
    beside = chunk.x_groq
    if isinstance(beside, dict) and beside.get("error"):
        return body_of(beside["error"])
    is_silent = not chunk.choices and (chunk.choices is None or not chunk.usage)
    return error_body(data, read_any(data)) if is_silent else None


def _no_chunk(data: bytes) -> MalformedStream:
    is_known = is_error(read_any(data))
    body = data if is_known else body_of(data[:_MOST_WORDS].decode("utf-8", "replace"))
    return MalformedStream(f"not a chunk: {data[:80]!r}", body)
