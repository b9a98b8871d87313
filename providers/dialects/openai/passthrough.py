"""OpenAI to OpenAI: bytes pass; `model` is replaced in the request and restored in the response; usage is extracted.

Source of the shapes: the OpenAI API reference, "Chat" and "Embeddings". Values are never re-serialized: a document is
split into its top-level members as raw bytes and reassembled, so unknown members pass unchanged.
"""

from __future__ import annotations

import msgspec
from typing_extensions import override

from providers.dialects.base import Answered, Dialect, Shape, Stream
from providers.dialects.folded import fold
from providers.dialects.lenient.document import Document
from providers.dialects.openai.request import body_for, set_by_gateway
from providers.dialects.openai.response import read_whole
from providers.dialects.openai.stream import DONE, OpenAIStream
from providers.framing.sse import MAX_EVENT, GrantMemory
from providers.request_additions import Added, stated
from providers.target import Target

__all__ = ["DONE", "OpenAIToOpenAI"]


class OpenAIToOpenAI(Dialect):
    """`grant_memory` and `max_event` bound the events of its streams (providers/framing/sse.py)."""

    def __init__(
        self, shape: Shape, grant_memory: GrantMemory | None = None, max_event: int = MAX_EVENT
    ) -> None:
        self._shape, self._grant_memory, self._max_event = shape, grant_memory, max_event

    @override
    def request(self, raw: bytes, target: Target, added: Added | None = None) -> bytes:
        """Return the body for this target; the same bytes when there is nothing to change."""
        return body_for(self._shape, raw, target, added or stated(target))

    @override
    def path(self, target: Target) -> str:
        return self._shape.path

    @override
    def headers(self, target: Target) -> dict[str, str]:
        return {}

    @property
    @override
    def is_sse(self) -> bool:
        return True

    @property
    @override
    def has_offload(self) -> bool:
        return True

    @override
    def describe_additions(self, added: Added) -> str:
        return set_by_gateway(self._shape, added)

    @override
    def response(self, raw: bytes) -> Answered:
        return read_whole(raw, self._shape)

    @property
    @override
    def has_output(self) -> bool:
        return self._shape.content_key == "choices"

    @override
    def stream(self) -> OpenAIStream:
        """A stream received instead of a response is not sent to the client as such: its usage stays in it."""
        shape = (
            self._shape if self._shape.stream else msgspec.structs.replace(self._shape, include_usage=True)
        )
        return OpenAIStream(shape, self._grant_memory, self._max_event)

    @override
    def begin_with_document(self, stream: Stream, raw: bytes) -> bytes | None:
        return None

    @override
    def document(self) -> Document:
        return Document(self._max_event, self._grant_memory)

    @override
    def folded(self, events: bytes) -> bytes:
        return fold(events)
