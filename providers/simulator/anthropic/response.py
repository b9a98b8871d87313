"""A message of Claude: the document, and the events that build it up. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from providers.simulator.anthropic.conversation import Conversation
from providers.simulator.anthropic.models import traits
from providers.simulator.anthropic.request import MessagesRequest, RedactedThinking
from providers.simulator.core.exchange import Frame
from providers.simulator.core.prompt_cache import CacheUse
from providers.simulator.core.replying import Reply
from providers.simulator.core.signatures import seal, sign
from providers.simulator.core.text import tokens_of_piece

_REASONS = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tools": "tool_use",
    "refusal": "refusal",
    "filter": "refusal",
}
_REFUSED = "This request was refused by the simulator, as the prompt demanded."
BROKEN = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


class Event(NamedTuple):
    """One event of a stream, and the output tokens produced by then."""

    body: dict[str, Any]
    tokens: int


class ClaudeMessage:
    """One finished message. `key` makes its id."""

    def __init__(
        self, request: MessagesRequest, conversation: Conversation, reply: Reply, used: CacheUse, account: str
    ) -> None:
        self._request, self._reply, self._used = request, reply, used
        self._is_refused = reply.finish in {"refusal", "filter"}
        self._content = [] if reply.finish == "refusal" else self._blocks(conversation, account)

    def document(self) -> dict[str, Any]:
        return {**self._head(), "content": self._content, **self._ending(), "usage": self.usage()}

    def usage(self) -> dict[str, Any]:
        used = self._used
        output = 0 if self._reply.finish == "refusal" else self._reply.tokens
        return {
            "input_tokens": used.uncached,
            "cache_creation_input_tokens": used.writes,
            "cache_read_input_tokens": used.read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": used.written.get("5m", 0),
                "ephemeral_1h_input_tokens": used.written.get("1h", 0),
            },
            "output_tokens": output,
            "output_tokens_details": {"thinking_tokens": self._reply.thinking.tokens},
            "service_tier": "standard",
        }

    def events(self) -> Iterator[Event]:
        produced = 0
        started = {**self._head(), "content": [], "stop_reason": None, "stop_sequence": None}
        usage = {**self.usage(), "output_tokens": min(1, self._reply.tokens)}
        del usage["output_tokens_details"]
        yield Event({"type": "message_start", "message": {**started, "usage": usage}}, 0)
        for index, block in enumerate(self._content):
            begun, deltas = self._parts(block)
            yield Event({"type": "content_block_start", "index": index, "content_block": begun}, produced)
            if index == 0:
                yield Event({"type": "ping"}, produced)
            for delta, tokens in deltas:
                produced += tokens
                yield Event({"type": "content_block_delta", "index": index, "delta": delta}, produced)
            yield Event({"type": "content_block_stop", "index": index}, produced)
        yield Event({"type": "message_delta", "delta": self._ending(), "usage": self.usage()}, produced)
        yield Event({"type": "message_stop"}, produced)

    def _head(self) -> dict[str, Any]:
        return {
            "id": f"msg_sim{self._reply.key}",
            "type": "message",
            "role": "assistant",
            "model": self._request.model,
        }

    def _ending(self) -> dict[str, Any]:
        details = {"type": "refusal", "category": None, "explanation": _REFUSED} if self._is_refused else None
        return {
            "stop_reason": _REASONS[self._reply.finish],
            "stop_sequence": self._reply.stop or None,
            "stop_details": details,
        }

    def _blocks(self, conversation: Conversation, account: str) -> list[dict[str, Any]]:
        reply, blocks = self._reply, list[dict[str, Any]]()
        if reply.thinking.pieces:
            blocks += self._thoughts(conversation, account)
        if reply.text.pieces:
            blocks.append({"type": "text", "text": reply.text.whole})
        for call in reply.calls:
            made = _loads(call.arguments.whole)
            blocks.append({"type": "tool_use", "id": f"toolu_{call.key}", "name": call.name, "input": made})
        return blocks

    def _thoughts(self, conversation: Conversation, account: str) -> Iterator[dict[str, Any]]:
        model, before, place = self._request.model, conversation.before, 0
        if conversation.asked().scenario.redacts:
            block = RedactedThinking(data=seal(account, model, "redacted"))
            yield {"type": "redacted_thinking", "data": block.data}
            before, place = conversation.behind(block), 1
        chosen = self._request.thinking
        display = chosen.display if chosen is not None else None
        shows = display == "summarized" or (display is None and traits(model).shows_thinking)
        text = self._reply.thinking.whole if shows else ""
        yield {"type": "thinking", "thinking": text, "signature": sign(account, model, text, place, before)}

    def _parts(self, block: dict[str, Any]) -> tuple[dict[str, Any], Iterator[tuple[dict[str, Any], int]]]:
        reply = self._reply
        match block["type"]:
            case "thinking":
                return {**block, "thinking": "", "signature": ""}, self._thinking_deltas(block)
            case "text":
                text = (
                    ({"type": "text_delta", "text": piece}, tokens_of_piece(piece))
                    for piece in reply.text.pieces
                )
                return {"type": "text", "text": ""}, text
            case "tool_use":
                return {**block, "input": {}}, self._input_deltas(block)
        return block, iter(())

    def _thinking_deltas(self, block: dict[str, Any]) -> Iterator[tuple[dict[str, Any], int]]:
        for piece in self._reply.thinking.pieces:
            if block["thinking"]:
                yield {"type": "thinking_delta", "thinking": piece}, tokens_of_piece(piece)
        hidden = 0 if block["thinking"] else self._reply.thinking.tokens
        yield {"type": "signature_delta", "signature": block["signature"]}, hidden

    def _input_deltas(self, block: dict[str, Any]) -> Iterator[tuple[dict[str, Any], int]]:
        call = next(call for call in self._reply.calls if block["id"] == f"toolu_{call.key}")
        yield {"type": "input_json_delta", "partial_json": ""}, tokens_of_piece(call.name)
        for piece in call.arguments.pieces:
            yield {"type": "input_json_delta", "partial_json": piece}, tokens_of_piece(piece)


def sse(event: Event) -> Frame:
    """Return an event as Anthropic sends it, padded with spaces as there."""
    padding = b" " * (event.tokens % 7)
    body = orjson.dumps(event.body)[:-1] + padding + b"}"
    return Frame(b"event: " + event.body["type"].encode() + b"\ndata: " + body + b"\n\n", event.tokens)


def _loads(text: str) -> Any:
    """Return the input of a call; of one that a cap cut, what there is of it."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
