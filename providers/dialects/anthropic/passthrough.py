"""Messages to Messages: at Anthropic, and at Azure, Bedrock and Vertex, which serve Claude in the same shape.

Bytes pass in both directions but for what the gateway has to set (request.py, aliased.py).
Source of the shapes: Anthropic's API reference, "Messages" and "Streaming Messages".
"""

from __future__ import annotations

from typing_extensions import override

from providers.dialects.anthropic.aliased import Owner
from providers.dialects.anthropic.request import BETA, body_for, set_by_gateway
from providers.dialects.anthropic.stream import AnthropicStream
from providers.dialects.anthropic.whole import as_events, fold, read_message
from providers.dialects.base import Answered, Dialect, Shape, Stream
from providers.dialects.lenient.document import Document
from providers.framing.sse import MAX_EVENT, GrantMemory
from providers.platforms.anthropic import AnthropicPlatform, platform_for, platform_headers
from providers.request_additions import Added
from providers.target import Target


class AnthropicToAnthropic(Dialect):
    """`grant_memory` and `max_event` bound the events of its streams (providers/framing/sse.py)."""

    def __init__(
        self, shape: Shape, grant_memory: GrantMemory | None = None, max_event: int = MAX_EVENT
    ) -> None:
        self._shape, self._grant_memory, self._max_event = shape, grant_memory, max_event
        self._platform = AnthropicPlatform()
        self._owner = Owner(0)

    @override
    def request(self, raw: bytes, target: Target, added: Added | None = None) -> bytes:
        """Raises Unsupported."""
        salt = self._shape.salt
        self._platform = platform_for(target)
        self._owner = Owner(target.id, salt.ownership if salt is not None else None)
        return body_for(self._shape, raw, target)

    @override
    def path(self, target: Target) -> str:
        return self._platform.stream_path if self._shape.stream else self._platform.path

    @override
    def headers(self, target: Target) -> dict[str, str]:
        given = self._shape.client_headers
        found = platform_headers(target, beta=given.get(BETA, ""), version=given.get("anthropic-version", ""))
        is_aws = self._shape.stream and not self.is_sse
        return {**found, "accept": "application/vnd.amazon.eventstream"} if is_aws else found

    @property
    @override
    def is_sse(self) -> bool:
        return self._platform.framing == "sse"

    @override
    def describe_additions(self, added: Added) -> str:
        return set_by_gateway(self._shape)

    @property
    @override
    def has_output(self) -> bool:
        return True

    @override
    def response(self, raw: bytes) -> Answered:
        return read_message(raw, self._shape.alias, self._owner)

    @override
    def stream(self) -> AnthropicStream:
        framing = self._platform.framing
        return AnthropicStream(self._shape.alias, self._owner, self._grant_memory, self._max_event, framing)

    @override
    def begin_with_document(self, stream: Stream, raw: bytes) -> bytes:
        return stream.feed(as_events(raw))

    @override
    def document(self) -> Document:
        return Document(self._max_event, self._grant_memory)

    @override
    def folded(self, events: bytes) -> bytes:
        return fold(events)
