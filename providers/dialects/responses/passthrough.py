"""Responses to Responses: bytes pass; the model is replaced, ids are marked, and usage is extracted.

Source of the shapes: the API reference ("Responses") and openai-python's types. The same for `responses/compact`, whose
response is no stream and has no cap: what it writes is bounded by the model's context window.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from typing_extensions import override

from providers.conversation.responses.answer_reader import document as events_of_document
from providers.conversation.responses.usage import usage_in
from providers.dialects.base import Answered, Dialect, Shape, Stream
from providers.dialects.lenient.document import Document
from providers.dialects.responses.marks import Marker, Marks
from providers.dialects.responses.request import CAP, body_for, own_names
from providers.dialects.responses.stream import ResponsesStream
from providers.errors.inner_errors import body_of, error_body
from providers.framing.sse import MAX_EVENT, GrantMemory
from providers.json_scan.limits import MalformedAnswer
from providers.request_additions import Added
from providers.target import Target

_FAILED: Final = frozenset({"failed", "cancelled"})
_any = msgspec.json.Decoder(dict[str, Any])


class ResponsesToResponses(Dialect):
    """`grant_memory` and `max_event` bound the events of its streams (providers/framing/sse.py)."""

    has_cap = True

    def __init__(
        self, shape: Shape, grant_memory: GrantMemory | None = None, max_event: int = MAX_EVENT
    ) -> None:
        self._shape, self._grant_memory, self._max_event = shape, grant_memory, max_event
        self._marks = Marks(alias=shape.alias, owner=0, ownership=None)
        self._stream: ResponsesStream | None = None

    @override
    def request(self, raw: bytes, target: Target, added: Added | None = None) -> bytes:
        """Return the body for this target; the same bytes when there is nothing to change."""
        shape, salt = self._shape, self._shape.salt
        ownership = salt.ownership if salt is not None else None
        own = own_names(shape, raw, target)
        self._marks = Marks(alias=shape.alias, owner=target.id, ownership=ownership, own=own)
        return body_for(shape, raw, target, has_cap=self.has_cap)

    @override
    def path(self, target: Target) -> str:
        return self._shape.path

    @override
    def headers(self, target: Target) -> dict[str, str]:
        return {}

    @override
    def describe_additions(self, added: Added) -> str:
        cap = self._shape.output_cap
        is_added = self.has_cap and cap is not None and cap != self._shape.stated_cap
        return f"{CAP}={cap}" if is_added else ""

    @property
    @override
    def is_sse(self) -> bool:
        return True

    @property
    @override
    def has_output(self) -> bool:
        return True

    @property
    @override
    def has_offload(self) -> bool:
        return False

    @override
    def response(self, raw: bytes) -> Answered:
        try:
            response = _any.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedAnswer(f"not a response: {error}") from error
        usage, has_failed = usage_in(response), response.get("status") in _FAILED
        if has_failed or not isinstance(response.get("output"), list):
            error_of = response.get("error")
            is_plain = error_of is None and not has_failed
            body = error_body(raw, response) if is_plain else body_of(error_of or "the response has failed")
            raise MalformedAnswer("no 'output' in the answer", usage, body)
        is_known = usage is not None and not usage.is_lacking
        return Answered(Marker(self._marks).response(raw), usage, "" if is_known else _text_of(raw))

    @override
    def stream(self) -> ResponsesStream:
        self._stream = ResponsesStream(self._marks, self._grant_memory, self._max_event)
        return self._stream

    @override
    def begin_with_document(self, stream: Stream, raw: bytes) -> bytes:
        assert isinstance(stream, ResponsesStream)  # noqa: S101 - it was made above
        return stream.take_document(raw)

    @override
    def document(self) -> Document:
        return Document(self._max_event, self._grant_memory)

    @override
    def folded(self, events: bytes) -> bytes:
        """The terminal event of a stream has the whole response."""
        final = b"" if self._stream is None else self._stream.final
        data = final.partition(b"\ndata: ")[2]
        response = msgspec.json.decode(data, type=dict[str, msgspec.Raw]).get("response") if data else None
        if response is None:
            raise MalformedAnswer("the stream has no response at its end")
        return bytes(response)


class Compaction(ResponsesToResponses):
    """`POST /v1/responses/compact`, which takes no cap."""

    has_cap = False


def _text_of(raw: bytes) -> str:
    """Return all that was produced, to count its tokens."""
    return "".join([getattr(event, "text", "") for event in events_of_document(raw)])
