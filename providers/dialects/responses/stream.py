"""A Responses stream: named events in, named events out, one pass. Only ids, the model and the client's names change.

What comes before the first content - `response.created` and the like - is kept until then, so that a failure may still
go to another deployment. The terminal event is `final`: it is sent once the call is recorded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from typing_extensions import override

from providers.conversation.responses.answer_writer import error_events
from providers.conversation.responses.usage import usage_in
from providers.dialects.base import ParsedEvent, Stream
from providers.dialects.output_text import PIECE, Produced
from providers.dialects.responses.marks import Marker, Marks
from providers.errors.inner_errors import body_of, error_body
from providers.framing.malformed import MalformedStream
from providers.framing.sse import ERROR, EventTooLarge, GrantMemory, SseEvent, SseParser, events_of
from providers.json_scan.limits import MalformedAnswer
from providers.usage import Usage

_LIFECYCLE: Final = frozenset({"response.created", "response.in_progress", "response.queued", "keepalive"})
_MOST_LIFECYCLE: Final = 64  # events before the content; OpenAI sends two
_ENDED: Final = frozenset({"response.completed", "response.incomplete"})
_FAILED: Final = frozenset({"response.failed", "response.cancelled"})
_DONE: Final = b"[DONE]"
_encode = msgspec.json.Encoder().encode
_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any = msgspec.json.Decoder()


class _Head(msgspec.Struct):
    """The members of an event that are read, of any type."""

    type: Any = None
    sequence_number: Any = None
    delta: Any = None
    error: Any = None


_head = msgspec.json.Decoder(_Head)


class _Response(msgspec.Struct):
    response: dict[str, Any] = {}


_response = msgspec.json.Decoder(_Response)


class ResponsesStream(Stream):
    def __init__(self, marks: Marks, grant_memory: GrantMemory | None, max_event: int) -> None:
        self._parser, self._marker = SseParser(max_event, grant_memory), Marker(marks)
        self.started = self.done = False
        self.usage: Usage | None = None
        self.failure: bytes | None = None
        self.large: bytes | None = None
        self.has_offload = self.is_full = False
        self.produced_events = self.produced_bytes = self.sound_chars = 0
        self._produced = Produced()
        self._texts: list[str] = []
        self._chars = self._number = 0  # `_number`: of the next event
        self._before: list[bytes] = []  # events before the content
        self._latest = b""  # an event with the response as it was at first
        self._error: bytes | None = None  # of an `error` event, which `response.failed` may follow
        self._final = b""

    @property
    @override
    def unfinished_bytes(self) -> int:
        return self._parser.pending_bytes

    @property
    @override
    def is_finished(self) -> bool:
        return self.done

    @property
    @override
    def has_final_usage(self) -> bool:
        return self.usage is not None

    @property
    @override
    def final(self) -> bytes:
        return self._final

    @override
    def failed(self, body: bytes) -> bytes:
        failed: dict[str, Any] | None = None
        if self._latest:
            known = _parts.decode(self._latest).get("response")
            if known is not None:
                failed = {**_parts.decode(known), "status": "failed"}
        return error_events(body, self._number, failed)

    @override
    def set_target(self, model: str, secrets: tuple[str, ...]) -> None:
        self._produced.model = model

    @override
    def feed(self, block: bytes) -> bytes:
        try:
            events = self._parser.feed(block)
        except EventTooLarge as error:
            out, self.is_full = self._take(error.events), error.is_ours
            if not out:
                raise MalformedStream(str(error), is_ours=error.is_ours) from error
            if not self.done and self.failure is None:
                self.failure = body_of(str(error))  # the events before it in this block are still sent
            return out
        return self._take(events)

    @override
    def resume(self, event: ParsedEvent) -> bytes:
        raise NotImplementedError("no event of Responses is parsed in another process")

    @override
    def end(self) -> bytes:
        left = self._parser.close().rstrip(b"\n")  # the standard discards what no blank line follows
        out = self._take(events_of(left)) if left.endswith(b"}") and not self.done else b""
        if not self.done and self.failure is None:
            self.failure = self._error
        return out

    @override
    def produced(self) -> str:
        return self._produced.text + "".join(self._texts)

    @property
    @override
    def produced_tokens(self) -> int:
        return round(self._produced.tokens)

    def take_document(self, response: bytes) -> bytes:
        """Return the client's bytes for a whole response that came in place of a stream."""
        document = _any.decode(response)
        events = [
            {"type": "response.created", "response": {**document, "status": "in_progress", "output": []}}
        ]
        for place, item in enumerate(document.get("output") or ()):
            of_item: dict[str, Any] = {"output_index": place, "item": item}
            events += [{"type": f"response.output_item.{kind}", **of_item} for kind in ("added", "done")]
        status = document.get("status")
        kind = status if status in {"incomplete", "failed", "cancelled"} else "completed"
        events.append({"type": f"response.{kind}", "response": document})
        return self._take([_encode({**event, "sequence_number": at}) for at, event in enumerate(events)])

    def _take(self, events: Iterable[bytes | SseEvent]) -> bytes:
        out: list[bytes] = []
        for event in events:
            if self.done or self.failure is not None:
                break
            try:
                self._pass(event, out)
            except (MalformedStream, MalformedAnswer) as error:
                fault = error if isinstance(error, MalformedStream) else MalformedStream(str(error))
                if not out:
                    raise fault from error
                self.failure = fault.body or body_of(str(fault))  # the events before it are still sent
        return b"".join(out)

    def _pass(self, event: bytes | SseEvent, out: list[bytes]) -> None:
        """Note an event, and append it if it is sent now. Raises MalformedStream, MalformedAnswer."""
        data, name = (event, "") if isinstance(event, bytes) else (event.data, event.event)
        data = data.strip().replace(b"\n", b" ")  # in JSON a line break is white space
        if not data or data == _DONE:
            return
        head = _head_of(data, name)
        kind = head.type if isinstance(head.type, str) else name
        if kind == ERROR or (head.error and kind not in _FAILED):
            self._error = error_body(data, _any.decode(data)) or data
            return
        if kind in _FAILED:
            self._fail(data)
            return
        number = head.sequence_number
        self._number = number + 1 if type(number) is int else self._number + 1
        passed = b"event: %b\ndata: %b\n\n" % (kind.encode(), self._marker.event(data))
        if kind in _ENDED:
            self._complete(data, passed)
        elif kind in _LIFECYCLE and not self.started:
            self._keep(passed, kind)
            return
        else:
            self._note(head.delta)
        out += self._before
        self._before = []
        if kind not in _ENDED:
            out.append(passed)

    def _keep(self, passed: bytes, kind: str) -> None:
        if len(self._before) >= _MOST_LIFECYCLE:
            raise MalformedStream("more events before the first content than any server sends")
        self._before.append(passed)
        if kind == "response.created" or not self._latest:
            self._latest = passed.partition(b"\ndata: ")[2]

    def _complete(self, data: bytes, passed: bytes) -> None:
        self._number -= 1  # it is not sent yet: a failure may come in its place
        self.started = self.done = True
        self.usage, self._final = usage_in(_object(data)), passed

    def _fail(self, data: bytes) -> None:
        response = _object(data)
        self.usage = usage_in(response) or self.usage
        error = response.get("error")
        own = body_of(error or f"the response is {response.get('status') or 'not complete'}")
        self.failure = self._error or own

    def _note(self, text: Any) -> None:
        self.started = True
        if not isinstance(text, str):
            return
        size = len(text)
        self.produced_bytes += size if text.isascii() else len(text.encode("utf-8", "replace"))
        self.produced_events += 1
        self._texts.append(text)
        self._chars += size
        if self._chars >= PIECE:
            self._produced.add("".join(self._texts))
            self._texts, self._chars = [], 0


def _head_of(data: bytes, name: str) -> _Head:
    """Raises MalformedStream."""
    try:
        return _head.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        words = data[:1_000].decode("utf-8", "replace")
        if name == ERROR:
            raise MalformedStream("the provider reported an error", body_of(words)) from error
        raise MalformedStream(f"not an event of Responses: {data[:80]!r}", body_of(words)) from error


def _object(data: bytes) -> dict[str, Any]:
    """Return the response in an event; one of another shape has no usage."""
    try:
        return _response.decode(data).response
    except (msgspec.DecodeError, RecursionError):
        return {}
