"""Writes a stream of chat chunks from events. Source: the OpenAI API reference, "Chat", "Streaming"."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from typing_extensions import override

from providers.conversation.apis import StreamWriter, WriterContext
from providers.conversation.chat.call_ids import with_signature
from providers.conversation.chat.extensions import OF_BLOCK, TEXT, marked, of_google, thinking_block
from providers.conversation.chat.usage_writer import usage_json
from providers.conversation.events import (
    Annotated,
    BlockDelta,
    BlockEnded,
    BlockStarted,
    Ended,
    Event,
    Finished,
    FinishReason,
    Ping,
    Started,
    UsageReported,
)
from providers.usage import Usage

DONE: Final = b"data: [DONE]\n\n"
PING: Final = b": ping\n\n"
ANY_TOOL: Final = "tool"  # the place of a signature that belongs to the next tool call
_BEGIN: Final = b'data: {"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b,"choices":['
_CONTINUES: Final = b',"logprobs":null,"finish_reason":null}]'
_TEXT_MEMBERS: Final = {"text": b"content", "refusal": b"refusal", "thinking": b"reasoning_content"}
_encode = msgspec.json.Encoder().encode


class _Choice:
    """A choice as far as it was written. `block` is the open one."""

    __slots__ = ("block", "calls", "has_refusal", "is_begun", "signature", "texts")

    def __init__(self) -> None:
        self.block: BlockStarted | None = None
        self.calls = 0
        self.is_begun = self.has_refusal = False
        self.texts: list[str] = []  # of the open thinking block
        self.signature = ("", "")  # of the tool call that follows: its place, and itself


class ChatStream(StreamWriter):
    """One id and one time for all chunks. `tool_calls[].index` counts the calls of a choice from 0."""

    def __init__(self, context: WriterContext) -> None:
        self.final = b""
        self._context = context
        self._is_old = context.conversation.uses_old_functions
        name = _encode(f"chatcmpl-{context.response_id}")
        self._begin = _BEGIN % (name, context.created, _encode(context.alias))
        self._end = b',"usage":null}\n\n' if context.includes_usage else b"}\n\n"
        self._choices: dict[int, _Choice] = {}
        self._usage: Usage | None = None

    @override
    def write(self, event: Event) -> bytes:
        if isinstance(event, BlockDelta):
            return self._text(event)
        if isinstance(event, BlockStarted):
            return self._start(event)
        if isinstance(event, BlockEnded):
            return self._close(event)
        if isinstance(event, Annotated):
            return self._delta(event.choice, b'{"annotations":[%b]}' % _encode(event.annotation))
        if isinstance(event, Finished):
            return self._finish(event)
        return self._of_all(event)

    def _of_all(self, event: Event) -> bytes:
        """Write an event that concerns no single choice."""
        if isinstance(event, Started):
            self._usage = event.usage
            return self._role(0)
        if isinstance(event, UsageReported):
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

    def _choice(self, index: int) -> _Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        return choice

    def _role(self, index: int) -> bytes:
        choice = self._choice(index)
        if choice.is_begun:
            return b""
        choice.is_begun = True
        return self._delta(index, b'{"role":"assistant","content":"","refusal":null}')

    def _delta(self, index: int, delta: bytes, logprobs: bytes = b"null") -> bytes:
        role = b"" if self._choices[index].is_begun else self._role(index)
        rest = _CONTINUES if logprobs == b"null" else b',"logprobs":%b,"finish_reason":null}]' % logprobs
        return b'%b%b{"index":%d,"delta":%b%b%b' % (role, self._begin, index, delta, rest, self._end)

    def _start(self, event: BlockStarted) -> bytes:
        choice = self._choice(event.choice)
        choice.block = event
        if event.kind == "refusal":
            choice.has_refusal = True
        if event.kind != "tool":
            return b""
        choice.calls += 1
        if self._is_old:
            call = {"name": event.name, "arguments": ""}
            return b"" if choice.calls > 1 else self._delta(event.choice, _encode({"function_call": call}))
        return self._delta(event.choice, _encode({"tool_calls": [self._call(choice, event)]}))

    def _call(self, choice: _Choice, event: BlockStarted) -> dict[str, Any]:
        place, signature = choice.signature
        choice.signature = ("", "")
        is_signed = bool(signature) and place in (ANY_TOOL, event.id)
        call: dict[str, Any] = {
            "index": choice.calls - 1,
            "id": with_signature(event.id, signature) if is_signed else event.id,
        }
        if event.is_custom:
            call |= {"type": "custom", "custom": {"name": event.name, "input": ""}}
        else:
            call |= {"type": "function", "function": {"name": event.name, "arguments": ""}}
        return {**call, "extra_content": of_google(signature)} if is_signed else call

    def _text(self, event: BlockDelta) -> bytes:
        choice = self._choices[event.choice]
        block = choice.block
        assert block is not None  # noqa: S101 - the order of events is checked
        text = _encode(event.text)
        if block.kind == "tool":
            return self._arguments(choice, block, text)
        if block.kind == "thinking":
            choice.texts.append(event.text)
        name, logprobs = _TEXT_MEMBERS[block.kind], b"null"
        if event.logprobs is not None:
            logprobs = _encode({"content": None, "refusal": None, name.decode(): event.logprobs})
        return self._delta(event.choice, b'{"%b":%b}' % (name, text), logprobs)

    def _arguments(self, choice: _Choice, block: BlockStarted, text: bytes) -> bytes:
        if self._is_old:
            delta = b'{"function_call":{"arguments":%b}}' % text
            return b"" if choice.calls > 1 else self._delta(block.choice, delta)
        inner = b'"custom":{"input":%b}' if block.is_custom else b'"function":{"arguments":%b}'
        return self._delta(
            block.choice, b'{"tool_calls":[{"index":%d,%b}]}' % (choice.calls - 1, inner % text)
        )

    def _close(self, event: BlockEnded) -> bytes:
        choice = self._choices[event.choice]
        block, choice.block = choice.block, None
        texts, choice.texts = choice.texts, []
        if block is None or not (event.signature or event.redacted):
            return b""
        if block.kind == "thinking" and event.place in OF_BLOCK:
            written = thinking_block("".join(texts), event, self._context)
            return self._delta(event.choice, _encode({"thinking_blocks": [written]}))
        signature = marked(event.signature, self._context)
        if block.kind == "tool":
            extra = {"index": choice.calls - 1, "extra_content": of_google(signature)}
            return b"" if self._is_old else self._delta(event.choice, _encode({"tool_calls": [extra]}))
        if block.kind != "thinking" or event.place == TEXT:
            return self._delta(event.choice, _encode({"extra_content": of_google(signature)}))
        choice.signature = (event.place, signature)
        return b""

    def _finish(self, event: Finished) -> bytes:
        choice, before = self._choice(event.choice), self._role(event.choice)
        reason: str = event.reason
        if event.message and event.reason is FinishReason.CONTENT_FILTER and not choice.has_refusal:
            before += self._delta(event.choice, b'{"refusal":%b}' % _encode(event.message))
        if self._is_old and event.reason is FinishReason.TOOL_CALLS:
            reason = "function_call"
        return b'%b%b{"index":%d,"delta":{},"logprobs":null,"finish_reason":"%b"}]%b' % (
            before,
            self._begin,
            event.choice,
            reason.encode(),
            self._end,
        )
