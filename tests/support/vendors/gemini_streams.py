"""Streams of Gemini for tests, and what is read from them."""

from __future__ import annotations

import json
from typing import Any

from providers.conversation.events import (
    Event,
)
from providers.conversation.folding import Message, fold
from providers.conversation.gemini.answer_reader import GeminiReader
from providers.conversation.sequence import Sequence

SIGNATURE = "EpwICpkIAe5K" * 40
USAGE = {
    "promptTokenCount": 29,
    "candidatesTokenCount": 10,
    "thoughtsTokenCount": 202,
    "totalTokenCount": 241,
}


def chunk(parts: list[Any] | None = None, finish: str = "", **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {} if parts is None else {"content": {"role": "model", "parts": parts}}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "responseId": "resp-1", "modelVersion": "gemini", **more}


def sse(*chunks: Any) -> bytes:
    return b"".join([b"data: %s\r\n\r\n" % json.dumps(each, ensure_ascii=False).encode() for each in chunks])


STREAM = [
    chunk([{"text": "I look at the größe ✓", "thought": True}], usageMetadata={"trafficType": "ON_DEMAND"}),
    chunk([{"text": "Two countries: 🎈"}]),
    chunk([{"text": " first"}]),
    chunk([{"functionCall": {"name": "get_country", "args": {}}, "thoughtSignature": SIGNATURE}]),
    chunk([{"functionCall": {"id": "own", "name": "get_city", "args": {"b": 1, "a": [None, "ü"]}}}]),
    chunk([{"text": ""}], "STOP", usageMetadata=USAGE),
]


def read(*blocks: bytes) -> list[Event]:
    reader = GeminiReader(prefix="p")
    events = [event for block in blocks for event in reader.feed(block)]
    return [*events, *reader.close()]


def whole(events: list[Event]) -> Message:
    message, sequence = Message(), Sequence()
    for event in events:
        for each in sequence.take(event):
            fold(message, each)
    return message


def shown(message: Message, choice: int = 0) -> list[tuple[str, str, str, str]]:
    return [(block.kind, block.name, block.text, block.place) for block in message.choices[choice].blocks]
