"""The items of a response's output, as they are while they are written and when they are complete. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from providers.conversation.apis import WriterContext
from providers.conversation.content import Thinking
from providers.conversation.events import BlockEnded, BlockStarted
from providers.conversation.responses.reasoning_items import sealed


class Content(msgspec.Struct):
    """A part of a message: text, or a refusal."""

    is_refusal: bool
    texts: list[str] = []
    logprobs: list[Any] = []
    annotations: list[dict[str, Any]] = []

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def document(self) -> dict[str, Any]:
        if self.is_refusal:
            return {"type": "refusal", "refusal": self.text}
        return {
            "type": "output_text",
            "text": self.text,
            "annotations": list(self.annotations),
            "logprobs": list(self.logprobs),
        }


class MessageItem(msgspec.Struct):
    id: str
    contents: list[Content] = []

    def document(self, status: str) -> dict[str, Any]:
        content = [each.document() for each in self.contents] if status != "in_progress" else []
        return {
            "id": self.id,
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": content,
        }


class ReasoningItem(msgspec.Struct):
    """`ended` has the vendor's signature of the thinking."""

    id: str
    texts: list[str] = []
    ended: BlockEnded | None = None

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def document(self, context: WriterContext) -> dict[str, Any]:
        text, ended = self.text, self.ended
        document: dict[str, Any] = {
            "id": self.id,
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": text}] if text and ended is not None else [],
        }
        if ended is not None:
            thinking = Thinking(text, ended.signature, ended.redacted, context.owner, ended.place)
            content = sealed(thinking, context.owner, context.ownership)
            if content is not None:
                document["encrypted_content"] = content
        return document


class CallItem(msgspec.Struct):
    """A call of a client's tool. `namespace`: the one in which the client has the tool."""

    id: str
    started: BlockStarted
    namespace: str = ""
    texts: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def document(self, status: str) -> dict[str, Any]:
        started, text = self.started, self.text if status != "in_progress" else ""
        head = {"id": self.id, "call_id": started.id, "name": started.name, "status": status}
        if self.namespace:
            head["namespace"] = self.namespace
        if started.is_custom:
            return {**head, "type": "custom_tool_call", "input": text}
        return {**head, "type": "function_call", "arguments": text}
