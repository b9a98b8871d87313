"""Reads Gemini's responses: server-sent events without names and without a last one, or one document.

A stream is complete if its connection ends after every candidate has its finish reason. The last usage counts.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from typing_extensions import override

from providers.conversation.apis import ResponseReader
from providers.conversation.events import (
    Ended,
    Event,
    Failed,
    Finished,
    FinishReason,
    Started,
    UsageReported,
)
from providers.conversation.gemini.answer_parts import Candidate, Names, logprobs_of
from providers.conversation.gemini.usage import usage_of
from providers.framing.malformed import MalformedStream
from providers.framing.sse import MAX_EVENT, EventTooLarge, GrantMemory, SseEvent, SseParser
from providers.json_scan.limits import MalformedAnswer

MOST_CANDIDATES: Final = 128  # more are ignored
_LENGTH: Final = frozenset({"MAX_TOKENS", "CONTINUATION"})
_FILTERED: Final = frozenset(
    {
        "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",
    }
)  # fmt: skip
# The model wrote what Google could not read. Another attempt may go well, and nothing was sent yet.
_BROKEN: Final = frozenset(
    {"MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"}
)


class _Response:
    """What one response has told so far. Pure, but for the ids of calls, which begin with `prefix`."""

    __slots__ = ("_candidates", "_has_begun", "_held", "_names", "_usage", "has_failed")

    def __init__(self, prefix: str) -> None:
        self._names = Names(prefix)
        self._candidates: dict[int, Candidate] = {}
        self._has_begun = self.has_failed = False
        self._held: list[Finished] = []  # until all that have begun are finished
        self._usage: Any = None

    @property
    def is_finished(self) -> bool:
        return bool(self._candidates) and all(each.reason for each in self._candidates.values())

    def take(self, document: Any, raw: bytes) -> list[Event]:
        """Return the events of one GenerateContentResponse, or of an error."""
        if isinstance(document, list):
            return [event for each in document for event in self.take(each, msgspec.json.encode(each))]
        if not isinstance(document, dict) or self.has_failed:
            return []
        if document.get("error"):
            self.has_failed = True
            return [Failed(raw)]
        return [*self._begun(document), *self._of_candidates(document)]

    def finish_candidates(self) -> list[Event]:
        """Finish those whose reason was left out of a whole document."""
        events: list[Event] = []
        for index, candidate in self._candidates.items():
            if not candidate.reason:
                candidate.reason = "STOP"
                events += [*candidate.close(), Finished(FinishReason.STOP, choice=index)]
        return events

    def _begun(self, document: dict[str, Any]) -> list[Event]:
        if self._has_begun:
            return []
        self._has_begun = True
        stated = document.get("responseId")
        return [Started(stated if isinstance(stated, str) else "")]

    def _of_candidates(self, document: dict[str, Any]) -> list[Event]:
        events: list[Event] = []
        finished: list[Finished] = []
        candidates = document.get("candidates")
        for each in candidates if isinstance(candidates, list) else []:
            if isinstance(each, dict):
                events += self._candidate(each, finished)
        finished += self._blocked(document)
        self._held += finished
        usage = usage_of(document.get("usageMetadata"))
        if usage is not None:
            events.append(UsageReported(usage, self.is_finished))
        failure = self._failure()
        if failure is not None:
            return [*events, failure]
        if self.is_finished:
            events += self._held
            self._held = []
        return events

    def _candidate(self, document: dict[str, Any], finished: list[Finished]) -> list[Event]:
        """Return the events of its parts; its end is added to `finished`."""
        stated = document.get("index")
        index = stated if isinstance(stated, int) and 0 <= stated < MOST_CANDIDATES else 0
        candidate = self._candidates.setdefault(index, Candidate(index, self._names))
        if candidate.reason:
            return []
        content = document.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        logprobs = logprobs_of(document)
        events: list[Event] = []
        for part in parts if isinstance(parts, list) else []:
            events += candidate.part(part, logprobs)
        if logprobs:
            events += candidate.part({"text": ""}, logprobs)
        reason = document.get("finishReason")
        if isinstance(reason, str) and reason and reason != "FINISH_REASON_UNSPECIFIED":
            candidate.reason = reason
            message = document.get("finishMessage")
            events += candidate.close()
            finished.append(_finished(reason, message if isinstance(message, str) else "", index))
        return events

    def _blocked(self, document: dict[str, Any]) -> list[Finished]:
        """Return the end of a response whose prompt was blocked: it has no candidates, and is billed."""
        feedback = document.get("promptFeedback")
        reason = feedback.get("blockReason") if isinstance(feedback, dict) else None
        if not isinstance(feedback, dict) or not isinstance(reason, str) or self._candidates:
            return []
        candidate = self._candidates[0] = Candidate(0, self._names)
        candidate.reason = reason or "OTHER"
        message = feedback.get("blockReasonMessage")
        words = message if isinstance(message, str) and message else f"The prompt was blocked: {reason}."
        return [Finished(FinishReason.CONTENT_FILTER, reason, message=words)]

    def _failure(self) -> Failed | None:
        """Return the failure of a response without any content whose end is the model's fault."""
        broken = next((each.vendor_reason for each in self._held if each.vendor_reason in _BROKEN), "")
        if not broken or any(each.has_begun for each in self._candidates.values()):
            return None
        self.has_failed = True
        # Google's message quotes what the model wrote, so it is left out: words in it could be taken for a refusal.
        words = f"The model's output could not be read: {broken}."
        return Failed(msgspec.json.encode({"error": {"code": 502, "message": words, "status": broken}}))


def _finished(reason: str, message: str, index: int) -> Finished:
    if reason in _FILTERED:
        kind = FinishReason.CONTENT_FILTER
        return Finished(kind, reason, message=message or f"The response was blocked: {reason}.", choice=index)
    kind = FinishReason.LENGTH if reason in _LENGTH else FinishReason.STOP
    return Finished(kind, reason, message=message if reason in _BROKEN else "", choice=index)


class GeminiReader(ResponseReader):
    """Reads one stream. `prefix` begins the ids of calls that have none; it must be unique in a conversation."""

    def __init__(
        self, max_event: int = MAX_EVENT, grant_memory: GrantMemory | None = None, prefix: str = ""
    ) -> None:
        self._parser = SseParser(max_event, grant_memory)
        self._response = _Response(prefix or secrets.token_hex(8))

    @property
    @override
    def unfinished_bytes(self) -> int:
        return self._parser.pending_bytes

    @override
    def feed(self, block: bytes) -> Iterator[Event]:
        try:
            events = self._parser.feed(block)
        except EventTooLarge as error:
            yield from self._take(error.events)
            raise MalformedStream(str(error), is_ours=error.is_ours) from error
        yield from self._take(events)

    @override
    def close(self) -> Iterator[Event]:
        left = self._parser.close().strip()
        if left and not self._response.has_failed:
            yield from self._rest(left.removeprefix(b"data:").strip())
        if self._response.is_finished and not self._response.has_failed:
            yield Ended()

    def _take(self, events: Iterable[bytes | SseEvent]) -> Iterator[Event]:
        for event in events:
            data = event if isinstance(event, bytes) else event.data.strip()
            if not data or data == b"[DONE]":
                continue
            try:
                document = msgspec.json.decode(data)
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
                raise MalformedStream("an event that is not JSON") from error
            yield from self._response.take(document, data)

    def _rest(self, data: bytes) -> list[Event]:
        """Return the events of what no blank line ended: bare JSON, as Google reports some errors."""
        try:
            return self._response.take(msgspec.json.decode(data), data)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return []  # it was cut


def document(raw: bytes) -> Iterable[Event]:
    """Return the events of a whole response. Raises MalformedAnswer."""
    try:
        parsed = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise MalformedAnswer("an answer that is not JSON") from error
    response = _Response(secrets.token_hex(8))
    events = response.take(parsed, raw)
    if response.has_failed:
        return events
    events += response.finish_candidates()
    return [*events, Ended()] if response.is_finished else events
