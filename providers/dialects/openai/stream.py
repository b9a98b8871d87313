"""An OpenAI chat stream: chunks in, chunks out, one pass, as bytes. Only the model's name changes.

Few members are parsed: the model, the usage, errors, and the finish reasons. `[DONE]` is left to the relay: it must not
be sent before the call is recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from typing_extensions import override

from providers.dialects.base import ParsedEvent, Shape
from providers.dialects.lenient.loose import LONG, is_busy, loosely, no_chunk
from providers.dialects.openai.chunks import Chunk, LooseChoice, decode_chunk, decode_first
from providers.dialects.openai.model_alias import BEGIN, END, Aliased, members
from providers.dialects.openai.progress import Progress
from providers.dialects.openai.repeated import Repeated, repeated
from providers.errors.inner_errors import MOST_BODY, body_of, error_body
from providers.errors.redaction import redact_json, without_values
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
from providers.json_scan.limits import NotJson, OverLimit
from providers.json_scan.outline import LARGE
from providers.json_scan.repaired import in_utf8, mended
from providers.reported_usage.places import usage_of_twins
from providers.reported_usage.reading import UsageJson
from providers.requests.layout import Unfit

DONE = b"data: [DONE]\n\n"
_DONE = b"[DONE]"
_USAGE = b'"usage'
_MOST_SEARCHES = 4  # for events that repeat, per stream
_MALFORMED = (MalformedStream, msgspec.DecodeError, RecursionError, OverLimit, NotJson, Unfit)


class OpenAIStream(Progress):
    def __init__(
        self, shape: Shape, grant_memory: GrantMemory | None = None, max_event: int = MAX_EVENT
    ) -> None:
        super().__init__(shape.choices)
        self.secrets: tuple[str, ...] = ()
        self.large: bytes | None = None
        self.has_offload = self.is_full = False
        self._includes_usage = shape.include_usage
        self._parser = SseParser(max_event, grant_memory)
        self._aliased = Aliased(shape.alias, drops_null=not shape.include_usage)
        self._pending: list[bytes | SseEvent] = []  # after a large one
        self._tier: Any = None
        self._repeated: Repeated | None = None
        self._searches_left = _MOST_SEARCHES

    @property
    @override
    def unfinished_bytes(self) -> int:
        return self._parser.pending_bytes

    @property
    @override
    def final(self) -> bytes:
        return DONE

    @override
    def failed(self, body: bytes) -> bytes:
        return b""

    @override
    def set_target(self, model: str, secrets: tuple[str, ...]) -> None:
        self._produced.model, self.secrets = model, secrets

    @override
    def feed(self, block: bytes) -> bytes:
        try:
            events = self._parser.feed(block)
        except EventTooLarge as error:
            out, self.is_full = self._take(error.events), error.is_ours
            if not out or self.large is not None:
                raise MalformedStream(str(error), is_ours=error.is_ours) from error
            if not self.done:
                self._fail(body_of(str(error)))  # the events before it in this block are still sent
            return out
        return self._take(events)

    @override
    def resume(self, event: ParsedEvent) -> bytes:
        data, self.large = self.large, None
        assert data is not None  # noqa: S101 - it was parsed
        if event.malformed or event.error is not None:
            if event.usage:
                self._on_usage(self._reported.merge(event.usage, event.service_tier or self._tier))
            self._fail(event.error or body_of(event.malformed))
        elif self._note_chunk(b"", event.chunk()):
            whole = data if event.layout is None else self._aliased.spliced(data, event.layout)
            return self._take(self._pending, [BEGIN, whole, END])
        return self._take(self._pending, [b""])

    @override
    def end(self) -> bytes:
        left = self._parser.close()  # the standard discards what no blank line follows
        if left and len(left) <= MOST_BODY and not self.done and self.failure is None:
            for event in events_of(left.rstrip(b"\n")):
                if event.event in (ERROR, NO_FIELD) or event.data.strip() == _DONE:
                    self._unusual_object(event)
        self.done = self.failure is None and self.is_finished
        return b""

    def _take(self, events: Iterable[bytes | SseEvent], before: Sequence[bytes] = ()) -> bytes:
        out = [*before]
        left = iter(events)
        for event in left:
            if self.done or self.failure is not None:
                self._merge_late_usage(event)
                continue
            try:
                if not self._repeats(event, out) and self._pass(event, out):
                    self._pending = list(left)
            except _MALFORMED as error:
                fault = error if isinstance(error, MalformedStream) else MalformedStream(str(error))
                if not out:
                    raise fault from error
                self._fail(fault.body or body_of(str(fault)))  # the events before it are still sent
        return b"".join(out)

    def _repeats(self, event: bytes | SseEvent, out: list[bytes]) -> bool:
        """Do all of `_pass` for an event that repeats a known one except for its text; False: it does not."""
        known = self._repeated
        if known is None or not isinstance(event, bytes):
            return False
        text = known.text(event, out)
        if not text:
            return False
        self._tier = known.tier or self._tier
        self._add_text(text)
        return True

    def _pass(self, event: bytes | SseEvent, out: list[bytes]) -> bool:
        """Note the event, and append it if the client gets it. True: it must be parsed in another process first."""
        data = event if isinstance(event, bytes) else self._unusual_object(event)
        if not data:
            return False
        if len(data) > LONG and ((self.has_offload and len(data) > LARGE) or is_busy(data)):
            return self._defer(data, out)
        try:
            chunk = decode_chunk(data) if self.started else decode_first(data)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            return self._pass_odd(in_utf8(data), error, out)
        choices = chunk.choices
        if not choices or chunk.error or chunk.usage or chunk.x_groq:
            return self._pass_rare(data, chunk, out)
        if chunk.service_tier:
            self._tier = chunk.service_tier
        for choice in choices:
            self._count_choice(choice)
        if self.failure is None:
            if (chunk.usage is UNSET or self._has_choice_usage or data.count(_USAGE) > 1) and data.find(
                _USAGE
            ) >= 0:
                self._merge_usage(data, chunk.usage)
            elif self._searches_left:
                self._find_repeated(data, chunk)
            self._aliased.event(data, chunk, out)
        return False

    def _find_repeated(self, data: bytes, chunk: Chunk) -> None:
        """Find what later events may repeat; only a few times, as in some streams no event repeats another."""
        if self.started:
            self._searches_left -= 1
            self._repeated = repeated(data, chunk, self._aliased) or self._repeated

    def _pass_rare(self, data: bytes, chunk: Chunk, out: list[bytes]) -> bool:
        """Do as `_pass` for a chunk that has usage, an error, or no choices."""
        if self._note_chunk(data, chunk):
            if not chunk.choices and not chunk.usage:  # an error of unknown shape may contain our secrets
                data = redact_json(data, self.secrets)
            self._aliased.event(data, chunk, out)
        return False

    def _unusual_object(self, event: SseEvent) -> bytes:
        """Return the object in an event of unusual form; b"": there is nothing to pass."""
        data = event.data.strip().replace(b"\n", b" ")  # in JSON a line break is white space
        if event.event == ERROR:
            is_object = data[:1] == b"{"
            self._fail(
                error_body(data, read_any(data)) or data if is_object else body_of(in_utf8(data).decode())
            )
        elif data.startswith(_DONE):
            self.done = bool(self._open_choices or self._finished_choices)
            if not self.done:
                self._fail(body_of("[DONE] without any choice"))
        elif event.event == NO_FIELD or data[:1] not in {b"{", b""}:
            raise no_chunk(data)
        else:
            return data
        return b""

    def _defer(self, data: bytes, out: list[bytes]) -> bool:
        """Leave a long event to another process; where there is none, it passes unread."""
        if self.has_offload:
            self.large = data
        else:
            self._pass_unread(data, out)
        return self.has_offload

    def _pass_unread(self, data: bytes, out: list[bytes]) -> None:
        """Pass an event unread; all its bytes count as produced."""
        parts = members(data)
        if (error := parts.get("error")) is not None and bytes(error) != b"null":
            self._fail(body_of(error))
            return
        self.started = True
        self._open_choices.add(-1)  # whether it has ended is unknown
        self.produced_bytes += len(data)
        out += (BEGIN, self._aliased.whole(without_values(data, self.secrets)), END)

    def _pass_odd(self, data: bytes, error: Exception, out: list[bytes]) -> bool:
        """Do as `_pass` for a chunk whose shape, or encoding, deviates from OpenAI's."""
        sane, document = data, read_any(data)
        if document is None and (again := mended(data)) is not None:
            sane, document = again, read_any(again)
        if document is None and isinstance(error, msgspec.ValidationError | RecursionError):
            return self._defer(data, out)  # nested too deeply
        if not isinstance(document, dict):
            raise no_chunk(data)
        if not self._note_chunk(data, loosely(document), document):
            return False
        passed = without_values(data, self.secrets)
        has_null = document.get("usage", "") is None
        passed_event = self._aliased.whole(
            passed, has_null=has_null, sane=None if sane is data else mended(passed)
        )
        out += (BEGIN, passed_event, END)
        return False

    def _note_chunk(self, data: bytes, chunk: Chunk, document: Any = None) -> bool:
        """Note a chunk; return whether it passes. `data` is empty where it was already parsed in full."""
        choices = chunk.choices
        is_silent = not choices and data and (choices is None or not chunk.usage)
        stopped = chunk.x_groq is not None and chunk.x_groq.error
        if chunk.error or is_silent or stopped:
            document = document or read_any(data)
            error = data if chunk.error else body_of(stopped) if stopped else error_body(data, document)
            if error is not None:
                self._on_usage(self._reported.merge_any(document, chunk.service_tier or self._tier))
                self._fail(error)
                return False
        if chunk.service_tier:
            self._tier = chunk.service_tier
        for choice in choices or ():
            self._count_choice(choice)
            if isinstance(choice, LooseChoice):
                self.started = self.started or choice.has_more
                self.produced_bytes += choice.unread_bytes
                self.sound_chars += choice.unread_sound
        if self.failure is not None:
            return False
        self._merge_usage(data, chunk.usage, document)
        return bool(choices) or self._includes_usage or not chunk.usage

    def _merge_usage(self, data: bytes, usage: UsageJson | UnsetType | None, document: Any = None) -> None:
        """Merge the usage of an event: at the top level, there more than once, or elsewhere."""
        usage = usage_of_twins(data) or usage
        if usage:
            self._on_usage(self._reported.merge(usage, self._tier))
        elif (usage is UNSET or self._has_choice_usage) and data.find(_USAGE) >= 0:
            self._on_usage(self._reported.merge_elsewhere(document or read_any(data), self._tier))

    def _merge_late_usage(self, event: bytes | SseEvent) -> None:
        """Read the usage from an event after `[DONE]`, where it was not reported before."""
        data = event if isinstance(event, bytes) else event.data
        if self.done and len(data) <= LONG and data.find(_USAGE) >= 0:
            self._on_usage(self._reported.merge_any(read_any(data), self._tier))
