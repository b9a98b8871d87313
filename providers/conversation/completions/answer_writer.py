"""Writes text completions, as a stream and whole. Source: the OpenAI API reference, "Completions" (legacy).

Only text is written; a refusal is text too. Thinking has no place in this API.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from typing_extensions import override

from providers.conversation.apis import StreamWriter, WriterContext
from providers.conversation.chat.answer_writer import DONE, PING
from providers.conversation.chat.usage_writer import usage_json
from providers.conversation.events import (
    BlockDelta,
    BlockKind,
    BlockStarted,
    Ended,
    Event,
    Finished,
    FinishReason,
    Ping,
    Started,
    UsageReported,
)
from providers.conversation.folding import Message
from providers.usage import Usage

_BEGIN: Final = b'data: {"id":%b,"object":"text_completion","created":%d,"model":%b,"choices":['
_SHOWN: Final = frozenset({"text", "refusal"})
_encode = msgspec.json.Encoder().encode


class CompletionStream(StreamWriter):
    """One id and one time for all chunks."""

    def __init__(self, context: WriterContext) -> None:
        self.final = b""
        self._context = context
        name = _encode(f"cmpl-{context.response_id}")
        self._begin = _BEGIN % (name, context.created, _encode(context.alias))
        self._end = b',"usage":null}\n\n' if context.includes_usage else b"}\n\n"
        self._kinds: dict[int, BlockKind] = {}  # of the open block of each choice
        self._usage: Usage | None = None

    @override
    def write(self, event: Event) -> bytes:
        if isinstance(event, BlockDelta):
            is_shown = self._kinds[event.choice] in _SHOWN and event.text
            return self._chunk(event.choice, _encode(event.text), b"null") if is_shown else b""
        if isinstance(event, BlockStarted):
            self._kinds[event.choice] = event.kind
        elif isinstance(event, Finished):
            return self._chunk(event.choice, b'""', b'"%b"' % _reason(event.reason).encode())
        elif isinstance(event, Started | UsageReported):
            self._usage = event.usage
        elif isinstance(event, Ping):
            return PING
        elif isinstance(event, Ended):
            self.final = DONE
            if self._context.includes_usage and self._usage is not None:
                return self._begin + b'],"usage":%b}\n\n' % _encode(usage_json(self._usage))
        return b""

    @override
    def failed(self, body: bytes) -> bytes:
        return b""  # the usual event of the API

    def _chunk(self, index: int, text: bytes, reason: bytes) -> bytes:
        return b'%b{"text":%b,"index":%d,"logprobs":null,"finish_reason":%b}]%b' % (
            self._begin,
            text,
            index,
            reason,
            self._end,
        )


def document(message: Message, context: WriterContext) -> bytes:
    """Return the response for the client."""
    choices = [
        {
            "text": "".join([block.text for block in choice.blocks if block.kind in _SHOWN]),
            "index": index,
            "logprobs": None,
            "finish_reason": _reason(choice.reason),
        }
        for index, choice in sorted(message.choices.items())
    ]
    whole: dict[str, Any] = {
        "id": f"cmpl-{context.response_id}",
        "object": "text_completion",
        "created": context.created,
        "model": context.alias,
        "choices": choices,
    }
    if message.usage is not None:
        whole["usage"] = usage_json(message.usage)
    return _encode(whole)


def _reason(reason: FinishReason) -> str:
    """Return the reason in this API, which knows no tools."""
    return FinishReason.STOP if reason is FinishReason.TOOL_CALLS else reason
