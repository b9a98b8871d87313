"""A client API for tests of upstream APIs: the conversation is given, and its document is the blocks."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from typing_extensions import override

from providers.call import Call
from providers.conversation.apis import ClientSide, StreamWriter, WriterContext
from providers.conversation.events import BlockDelta, BlockStarted, Ended, Event, Finished
from providers.conversation.folding import Message
from providers.conversation.registry import CLIENTS
from providers.conversation.request import Conversation
from providers.dialects.base import Shape
from providers.dialects.choice import Dialects
from providers.outgoing import Outgoing, ResponseKind
from providers.resilience.health import DeploymentHealth
from providers.resilience.plan import Plan
from providers.target import Target
from providers.transport.client import Transport
from providers.upstream import Attempt, open_call

CHAT = "chat"


class _Lines(StreamWriter):
    """Writes a line for each event."""

    def __init__(self, _context: WriterContext) -> None:
        self.final = b""

    @override
    def write(self, event: Event) -> bytes:
        if isinstance(event, BlockStarted):
            return f"+{event.kind} {event.name}\n".encode()
        if isinstance(event, BlockDelta):
            return f"{event.text}\n".encode()
        if isinstance(event, Finished):
            return f"={event.reason}\n".encode()
        if isinstance(event, Ended):
            self.final = b".\n"
        return b""

    @override
    def failed(self, body: bytes) -> bytes:
        return b"!" + body


def _document(message: Message, _context: WriterContext) -> bytes:
    choice = message.choices[0]
    blocks = [[block.kind, block.name, block.text, block.signature, block.place] for block in choice.blocks]
    return json.dumps({"blocks": blocks, "reason": choice.reason}).encode()


def client(conversation: Conversation) -> ClientSide:
    """Return a client API whose every request means this conversation."""
    return ClientSide(CHAT, lambda _raw, _ownership: conversation, _Lines, _document)


async def called(
    transport: Transport, targets: list[Target], *, attempts: list[Attempt] | None = None, **shape: Any
) -> Call:
    """Send a call, whose client API must be in place of CLIENTS["chat"]. Raises UpstreamFailed."""
    asked = Shape(alias="chat", path="chat/completions", **shape)
    conversation = CLIENTS[CHAT].read(b"", None)
    read = msgspec.structs.replace(conversation, stream=asked.stream)
    outgoing = Outgoing(request_id="req-1", raw=b"{}", answer=ResponseKind.of(streams=asked.stream))
    recorded = [] if attempts is None else attempts
    plan = Plan(targets=targets)
    return await open_call(
        transport, Dialects(asked, conversation=read), outgoing, plan, recorded, DeploymentHealth()
    )


async def whole_stream(call: Call) -> bytes:
    """Return the client's bytes of a stream, with its last ones. Raises UpstreamFailed."""
    out = call.first + b"".join([block async for block in call.rest()])
    assert call.stream is not None
    await call.aclose()
    return out + call.stream.final
