"""Chunks of chat streams as servers write them, and the events that a reader makes of them."""

from __future__ import annotations

import json
from typing import Any

from providers.conversation.events import Event
from providers.conversation.folding import Message, fold
from providers.conversation.openai_chat.side import OPENAI_CHAT
from providers.conversation.sequence import Sequence
from providers.usage import Usage

USAGE = {"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16}
READ = Usage(input_tokens=7, output_tokens=9)


def chunk(delta: Any = None, reason: Any = None, index: Any = 0, **more: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": delta or {}, "finish_reason": reason}
    return {"id": "c1", "created": 5, "model": "up", "choices": [choice], **more}


def call(**more: Any) -> dict[str, Any]:
    return {"tool_calls": [more]}


def sse(*events: Any, done: bool = True) -> bytes:
    lines = [f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in events]
    return "".join([*lines, *["data: [DONE]\n\n"] * done]).encode()


def read(*blocks: bytes) -> list[Event]:
    """Return the events in their order, with adjacent texts joined by folding them."""
    reader, sequence = OPENAI_CHAT.reader(1 << 20, None), Sequence()
    events = [event for block in blocks for event in reader.feed(block)]
    events += reader.close()
    assert reader.unfinished_bytes == 0
    return [each for event in events for each in sequence.take(event)]


def whole(events: list[Event]) -> Message:
    message = Message()
    for event in events:
        fold(message, event)
    return message


def said(*chunks: Any, done: bool = True) -> list[tuple[str, ...]]:
    """Return kind, id, name and text of each block of the first choice."""
    message = whole(read(sse(*chunks, done=done)))
    assert message.failure is None
    return [tuple(filter(None, (b.kind, b.id, b.name, b.text))) for b in message.choice().blocks]
