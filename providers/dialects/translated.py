"""Translates a call between a client API and an upstream API that differ: by way of one conversation and one event
sequence (providers/conversation). Pure; one per call.
"""

from __future__ import annotations

import time

import msgspec
from typing_extensions import override

from providers.conversation.apis import (
    ClientSide,
    SentOptions,
    StreamWriter,
    UpstreamSide,
    WriterContext,
)
from providers.conversation.custom_calls import CustomCalls
from providers.conversation.events import Ended, Event
from providers.conversation.folding import Message, fold
from providers.conversation.request import Conversation
from providers.conversation.salted import salted
from providers.conversation.sequence import Sequence
from providers.dialects.base import Answered, Dialect, Shape, Stream
from providers.dialects.large_requests import body_for
from providers.dialects.lenient.document import Document
from providers.dialects.translated_stream import MOST_EVENTS, TranslatedStream
from providers.framing.sse import MAX_EVENT, GrantMemory
from providers.json_scan.limits import MalformedAnswer
from providers.processes.heavy_work import Share
from providers.request_additions import Added
from providers.target import Target


class Conversations:
    """The conversation of one call, read once for all its targets. Its names are salted here."""

    __slots__ = ("_client", "_head", "_read", "_salted", "_shape")

    def __init__(
        self,
        client: ClientSide,
        shape: Shape,
        conversation: Conversation | None = None,
        head: Conversation | None = None,
    ) -> None:
        self._client, self._shape, self._read = client, shape, conversation
        self._salted: Conversation | None = None
        self._head = None if head is None else salted(head, shape.salt)

    @property
    def has_head(self) -> bool:
        """Whether the body is large: it is translated in another process, which has read the head."""
        return self._head is not None

    def head_of(self, raw: bytes) -> Conversation:
        """Return the conversation; of a large body without its turns. Raises Unacceptable."""
        return self.of(raw) if self._head is None else self._head

    def of(self, raw: bytes) -> Conversation:
        """Raises Unacceptable."""
        if self._salted is None:
            salt = self._shape.salt
            read = self._read or self._client.read(raw, salt.ownership if salt is not None else None)
            self._salted = salted(read, salt)
        return self._salted


class Translated(Dialect):
    """One pair of APIs. `grant_memory` and `max_event` bound the events of its streams."""

    def __init__(
        self,
        client: ClientSide,
        upstream: UpstreamSide,
        conversations: Conversations,
        shape: Shape,
        grant_memory: GrantMemory | None = None,
        max_event: int = MAX_EVENT,
    ) -> None:
        self._client, self._upstream, self._conversations = client, upstream, conversations
        self._shape, self._grant_memory, self._max_event = shape, grant_memory, max_event
        self._options = SentOptions(cap=shape.output_cap, headers=shape.client_headers)
        self._target: Target | None = None
        self._conversation: Conversation | None = None
        self.is_made_in_steps = conversations.has_head

    @override
    def request(self, raw: bytes, target: Target, added: Added | None = None) -> bytes:
        self._set(raw, target, added)
        return self._upstream.write(self._conversations.of(raw), target, self._options)

    async def request_elsewhere(self, raw: bytes, target: Target, added: Added, share: Share) -> bytes:
        """Return what `request` does, for a large body: another process makes it. Raises Unsupported, WorkFailed."""
        self._set(raw, target, added)
        client_api, upstream_api, salt = self._client.name, self._upstream.name, self._shape.salt
        return await body_for(share, raw, client_api, upstream_api, target, self._options, salt)

    def _set(self, raw: bytes, target: Target, added: Added | None) -> None:
        self._target, self._conversation = target, self._conversations.head_of(raw)
        if added is not None:
            self._options = msgspec.structs.replace(self._options, added=added)

    @override
    def path(self, target: Target) -> str:
        assert self._conversation is not None  # noqa: S101 - the request was made
        streams = self._upstream.streams(self._conversation, target, self._options)
        return self._upstream.path(target, streams)

    @override
    def headers(self, target: Target) -> dict[str, str]:
        assert self._conversation is not None  # noqa: S101 - the request was made
        streams = self._upstream.streams(self._conversation, target, self._options)
        own = {
            **self._upstream.headers(target, self._options),
            **self._upstream.call_headers(self._conversation, target),
        }
        return {"accept": self._upstream.accept, **own} if streams else own

    @override
    def describe_additions(self, added: Added) -> str:
        cap = self._shape.output_cap
        return "" if cap is None or cap == self._shape.stated_cap else f"max_output_tokens={cap}"

    @property
    @override
    def has_offload(self) -> bool:
        return False

    @property
    @override
    def has_output(self) -> bool:
        return True

    @property
    @override
    def is_sse(self) -> bool:
        return self._upstream.is_sse

    @override
    def response(self, raw: bytes) -> Answered:
        message, sequence = Message(), Sequence()
        custom = CustomCalls.of(self._context().conversation)
        for number, event in enumerate(self._upstream.document(raw)):
            if number >= MOST_EVENTS:
                raise MalformedAnswer(f"more than {MOST_EVENTS} parts in one answer", message.usage)
            for each in sequence.take(event):
                for shown in custom.take(each) if custom is not None else (each,):
                    fold(message, shown)
        if message.failure is not None:
            raise MalformedAnswer("an error instead of a response", message.usage, message.failure)
        if not message.is_ended or not message.choices:
            raise MalformedAnswer("no message in the answer", message.usage)
        is_known = message.usage is not None and not message.usage.is_lacking
        body = self._client.document(message, self._context())
        return Answered(body, message.usage, "" if is_known else text_of(message))

    @override
    def stream(self) -> TranslatedStream:
        reader = self._upstream.reader(self._max_event, self._grant_memory)
        context = self._context()
        is_stream = self._shape.stream
        writer = self._client.stream_writer(context) if is_stream else _DocumentWriter(self._client, context)
        custom = CustomCalls.of(context.conversation)
        return TranslatedStream(reader, writer, choices=self._shape.choices, custom=custom)

    @override
    def begin_with_document(self, stream: Stream, raw: bytes) -> bytes:
        assert isinstance(stream, TranslatedStream)  # noqa: S101 - it was made above
        return stream.take(self._upstream.document(raw))

    @override
    def document(self) -> Document:
        return Document(self._max_event, self._grant_memory)

    @override
    def folded(self, events: bytes) -> bytes:
        """The stream's writer made the document."""
        return events

    def _context(self) -> WriterContext:
        assert self._target is not None  # noqa: S101 - the request was made
        assert self._conversation is not None  # noqa: S101
        shape, salt = self._shape, self._shape.salt
        return WriterContext(
            alias=shape.alias,
            response_id=shape.response_id,
            created=int(time.time()),
            conversation=self._conversation,
            owner=self._target.id,
            ownership=salt.ownership if salt is not None else None,
            includes_usage=shape.include_usage,
            prompt_tokens=shape.prompt_tokens,
        )


class _DocumentWriter(StreamWriter):
    """For a client that asked for one document of a provider that streams: all of it comes at the end."""

    def __init__(self, client: ClientSide, context: WriterContext) -> None:
        self.final = b""
        self._client, self._context, self._message = client, context, Message()

    @override
    def write(self, event: Event) -> bytes:
        fold(self._message, event)
        return self._client.document(self._message, self._context) if isinstance(event, Ended) else b""

    @override
    def failed(self, body: bytes) -> bytes:
        return b""


def text_of(message: Message) -> str:
    """Return all that was produced, to count its tokens."""
    return "".join(
        [
            f"{block.name}{block.text}"
            for _, choice in sorted(message.choices.items())
            for block in choice.blocks
        ]
    )
