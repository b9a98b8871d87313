"""A Converse response: the document, and the frames that build it up. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from providers.simulator.bedrock.conversation import Conversation
from providers.simulator.bedrock.event_stream import event
from providers.simulator.core.exchange import Frame
from providers.simulator.core.prompt_cache import CacheUse
from providers.simulator.core.replying import MadeCall, Reply
from providers.simulator.core.signatures import seal, sign
from providers.simulator.core.text import Text, tokens_of_piece

_REASONS = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tools": "tool_use",
    "refusal": "content_filtered",
    "filter": "guardrail_intervened",
}
_PADDING = "abcdefghijklmnopqrstuvwxyz"


class Converse:
    """One finished message."""

    def __init__(
        self, model: str, account: str, conversation: Conversation, reply: Reply, used: CacheUse
    ) -> None:
        self._reply, self._used = reply, used
        self._signature, self._redacted = "", ""
        if reply.thinking.pieces:
            redacts = conversation.asked().scenario.redacts
            self._redacted = seal(account, model, "redacted") if redacts else ""
            before = b"" if redacts else conversation.before
            self._signature = sign(account, model, reply.thinking.whole, int(redacts), before)

    def usage(self) -> dict[str, Any]:
        used, output = self._used, self._reply.tokens
        details = [{"ttl": ttl, "inputTokens": tokens} for ttl, tokens in used.written.items()]
        return {
            "inputTokens": used.uncached,
            "outputTokens": output,
            "totalTokens": used.total + output,
            "cacheReadInputTokens": used.read,
            "cacheWriteInputTokens": used.writes,
            **({"cacheDetails": details} if details else {}),
        }

    def document(self) -> dict[str, Any]:
        return {
            "output": {"message": {"role": "assistant", "content": self._content()}},
            "stopReason": _REASONS[self._reply.finish],
            "usage": self.usage(),
            "metrics": {"latencyMs": 12},
        }

    def frames(self) -> Iterator[Frame]:
        self._produced, self._index = 0, 0
        yield self._frame("messageStart", {"role": "assistant"})
        if self._redacted:
            yield self._delta({"reasoningContent": {"redactedContent": self._redacted}})
            yield self._stop()
        if self._signature:
            yield from self._pieces(self._reply.thinking, "reasoningContent")
            yield self._delta({"reasoningContent": {"signature": self._signature}})
            yield self._stop()
        if self._reply.text.pieces:
            yield from self._pieces(self._reply.text, "")
            yield self._stop()
        for call in self._reply.calls:
            yield from self._call(call)
        yield self._frame("messageStop", {"stopReason": _REASONS[self._reply.finish]})
        yield self._frame("metadata", {"usage": self.usage(), "metrics": {"latencyMs": 12}})

    def _content(self) -> list[dict[str, Any]]:
        reply, made = self._reply, list[dict[str, Any]]()
        if self._redacted:
            made.append({"reasoningContent": {"redactedContent": self._redacted}})
        if self._signature:
            text = {"text": reply.thinking.whole, "signature": self._signature}
            made.append({"reasoningContent": {"reasoningText": text}})
        if reply.text.pieces:
            made.append({"text": reply.text.whole})
        for call in reply.calls:
            made.append(
                {"toolUse": {"toolUseId": f"tooluse_{call.key}", "name": call.name, "input": _loads(call)}}
            )
        return made

    def _call(self, call: MadeCall) -> Iterator[Frame]:
        started = {"toolUse": {"toolUseId": f"tooluse_{call.key}", "name": call.name}}
        self._produced += tokens_of_piece(call.name)
        yield self._frame("contentBlockStart", {"contentBlockIndex": self._index, "start": started})
        for piece in call.arguments.pieces:
            self._produced += tokens_of_piece(piece)
            yield self._delta({"toolUse": {"input": piece}})
        yield self._stop()

    def _pieces(self, text: Text, member: str) -> Iterator[Frame]:
        for piece in text.pieces:
            self._produced += tokens_of_piece(piece)
            yield self._delta({member: {"text": piece}} if member else {"text": piece})

    def _delta(self, delta: dict[str, Any]) -> Frame:
        return self._frame("contentBlockDelta", {"contentBlockIndex": self._index, "delta": delta})

    def _stop(self) -> Frame:
        self._index += 1
        return self._frame("contentBlockStop", {"contentBlockIndex": self._index - 1})

    def _frame(self, kind: str, payload: dict[str, Any]) -> Frame:
        padding = _PADDING[: 1 + (self._produced * 7 + len(kind)) % 25]
        return Frame(event(kind, {**payload, "p": padding}), self._produced)


def _loads(call: MadeCall) -> Any:
    try:
        return orjson.loads(call.arguments.whole)
    except orjson.JSONDecodeError:
        return {}
