"""The requests of the bench, and what makes an answer whole. Pure; used by the upstream, the load and the report.

Every answer is checked cheaply (`mark`), every 32nd completely (`whole`): a fast wrong answer must not win.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

SENTENCE = (
    "The harbor was quiet when the night ferry came in, and the crew counted every crate twice before they "
    "let the lines go slack; nobody hurried, because the tide had another hour to run and the book was open. "
)
TEXT = SENTENCE + "By morning all of it was accounted for."
STREAM_EVENTS = 60
STREAM_WORDS = tuple(f" word{number:02d}" for number in range(STREAM_EVENTS - 2))
SLOW_EVENTS = 50
SLOW_EVERY_S = 0.02
VECTOR = tuple(round(((number * 37) % 255 - 127) / 2048, 8) for number in range(256))
PROMPT_TOKENS, OUTPUT_TOKENS = 87, 64
DONE = b"data: [DONE]\n\n"
_QUESTION = (
    "Give me a short status update on the harbor: which ferries came in during the night, how many crates "
    "each of them carried, and whether the ledger agrees with what the crew counted on the quay this morning."
)
_SYSTEM = (
    "You are a friendly assistant of the harbor office. Answer in two sentences and never make up a number."
)


class Workload(msgspec.Struct, frozen=True):
    """`model` is the upstream's name; the gateway's alias is the same with `bench-` in front."""

    name: str
    path: str
    model: str
    question: dict[str, object]
    mark: bytes
    ending: bytes
    whole: Callable[[bytes], bool]

    def body(self, model: str) -> bytes:
        """Return the bytes to send to a service that has the workload as `model`."""
        return msgspec.json.encode({"model": model, **self.question})


def _whole_chat(body: bytes) -> bool:
    answer = msgspec.json.decode(body)
    total: object = answer["usage"]["total_tokens"]
    return bool(answer["choices"][0]["message"]["content"] == TEXT and total == PROMPT_TOKENS + OUTPUT_TOKENS)


def _whole_stream(body: bytes) -> bool:
    events = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: {")]
    deltas = [choice["delta"] for event in events for choice in msgspec.json.decode(event)["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas) == "".join(STREAM_WORDS)


def _whole_slow(body: bytes) -> bool:
    return body.count(b'"content":"t') == SLOW_EVENTS


def _whole_embedding(body: bytes) -> bool:
    vector = msgspec.json.decode(body)["data"][0]["embedding"]
    if isinstance(vector, str):
        return len(base64.b64decode(vector)) == 4 * len(VECTOR)
    return len(vector) == len(VECTOR)


def _chat(*, stream: bool) -> dict[str, object]:
    messages = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _QUESTION}]
    question: dict[str, object] = {"messages": messages, "max_tokens": 128, "temperature": 0.2}
    return {**question, "stream": True} if stream else question


_COMPLETIONS = "/v1/chat/completions"
_LAST_WORD = STREAM_WORDS[-1].encode()

CHAT = Workload("chat", _COMPLETIONS, "up-chat", _chat(stream=False), b'"usage"', b"}", _whole_chat)
STREAM = Workload("stream", _COMPLETIONS, "up-stream", _chat(stream=True), _LAST_WORD, DONE, _whole_stream)
FRAMED = Workload("framed", _COMPLETIONS, "up-framed", _chat(stream=True), _LAST_WORD, DONE, _whole_stream)
SLOW = Workload("slow", _COMPLETIONS, "up-slow", _chat(stream=True), b'"content":"t', DONE, _whole_slow)
# A chat that is translated: the gateway sends it to a provider that speaks Anthropic's Messages.
TRANSLATED = Workload(
    "translated", _COMPLETIONS, "up-claude", _chat(stream=False), b'"usage"', b"}", _whole_chat
)
TRANSLATED_STREAM = Workload(
    "translated-stream", _COMPLETIONS, "up-claude-stream", _chat(stream=True), _LAST_WORD, DONE, _whole_stream
)
EMBED = Workload(
    name="embed",
    path="/v1/embeddings",
    model="up-embed",
    question={"input": _QUESTION, "encoding_format": "float"},
    mark=b'"embedding"',
    ending=b"}",
    whole=_whole_embedding,
)
WORKLOADS = {
    workload.name: workload for workload in (CHAT, STREAM, FRAMED, EMBED, SLOW, TRANSLATED, TRANSLATED_STREAM)
}


def is_whole(workload: Workload, body: bytes) -> bool:
    """Check an answer completely. Costs 5-100 microseconds."""
    try:
        return workload.whole(body)
    except (msgspec.DecodeError, LookupError, TypeError, ValueError):
        return False
