"""Writes a response as Responses' named events, or as its JSON document. Pure; one per response.

Order: response.created, response.in_progress, then for each item output_item.added, its parts and deltas, their ends,
output_item.done, and one terminal event with the usage. `sequence_number` counts events from 0 without a gap.
Sources: openai-python `types/responses`, and the API reference ("Streaming events"). Where a stream fails, OpenAI sends
`error` - documented flat, observed with a nested `error` as well - and then `response.failed`.
"""

from __future__ import annotations

from typing import Any

import msgspec
from typing_extensions import override

from providers.conversation.apis import StreamWriter, WriterContext
from providers.conversation.events import (
    Annotated,
    BlockDelta,
    BlockEnded,
    BlockStarted,
    Ended,
    Event,
    Finished,
    FinishReason,
    Started,
    UsageReported,
)
from providers.conversation.folding import Block, Message
from providers.conversation.responses.output_items import CallItem, Content, MessageItem, ReasoningItem
from providers.conversation.responses.response_object import ResponseObject
from providers.usage import Usage

_encode = msgspec.json.Encoder().encode
_TERMINAL = {"completed": "response.completed", "incomplete": "response.incomplete"}


def sse(kind: str, data: dict[str, Any]) -> bytes:
    """Return one named event."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), _encode(data))


def error_events(body: bytes, number: int, failed: dict[str, Any] | None) -> bytes:
    """Return the events of a failure; `body` is OpenAI's error envelope, `failed` the response then."""
    stated = msgspec.json.decode(body)["error"]
    error = {
        "type": stated.get("type") or "server_error",
        "code": stated.get("code") or "server_error",
        "message": stated.get("message") or "",
        "param": stated.get("param"),
    }
    flat = {name: value for name, value in error.items() if name != "type"}
    event = sse("error", {"type": "error", "sequence_number": number, **flat, "error": error})
    if failed is None:
        return event
    # Clients know few codes of a failed response; the event before it has the exact one.
    failed = {**failed, "error": {"code": "server_error", "message": error["message"]}}
    kind = "response.failed"
    return event + sse(kind, {"type": kind, "sequence_number": number + 1, "response": failed})


class ResponsesWriter(StreamWriter):
    """`final` is the terminal event, once the response has ended."""

    def __init__(self, context: WriterContext) -> None:
        self.final = b""
        self._context = context
        self._response = ResponseObject(context)
        self._number = self._items = 0
        self._output: list[dict[str, Any]] = []  # the items that are complete
        self._open: MessageItem | ReasoningItem | CallItem | None = None
        self._usage: Usage | None = None
        self._reason: FinishReason | None = None
        self._has_begun = False
        self._grouped = {tool.name: tool for tool in context.conversation.tools if tool.namespace}

    @override
    def write(self, event: Event) -> bytes:
        if isinstance(event, BlockDelta | BlockStarted | BlockEnded | Annotated | Finished):
            return b"" if event.choice else self._of_choice(event)
        if isinstance(event, Started):
            self._usage = event.usage
            return self._begin()
        if isinstance(event, UsageReported):
            self._usage = event.usage
        elif isinstance(event, Ended):
            out = self._close_message()
            document = self.document()
            self.final = self._event(_TERMINAL[document["status"]], response=document)
            self._number -= 1  # it was not sent: a failure may still come in its place
            return out
        return b""

    def _of_choice(self, event: BlockDelta | BlockStarted | BlockEnded | Annotated | Finished) -> bytes:
        if isinstance(event, BlockDelta):
            return self._delta(event)
        if isinstance(event, BlockStarted):
            return self._start(event)
        if isinstance(event, BlockEnded):
            return self._end(event)
        return self._annotation(event) if isinstance(event, Annotated) else self._finish(event)

    @override
    def failed(self, body: bytes) -> bytes:
        failed = self._response.failed(self._output, self._usage, "", "") if self._has_begun else None
        return error_events(body, self._number, failed)

    def document(self) -> dict[str, Any]:
        """Return the response as it is at its end."""
        return self._response.ended(self._output, self._usage, self._reason)

    def _event(self, kind: str, **members: Any) -> bytes:
        number = self._number
        self._number += 1
        return sse(kind, {"type": kind, "sequence_number": number, **members})

    def _begin(self) -> bytes:
        self._has_begun = True
        running = self._response.running()
        created = self._event("response.created", response=running)
        return created + self._event("response.in_progress", response=running)

    def _start(self, event: BlockStarted) -> bytes:
        if event.kind in {"text", "refusal"}:
            return self._start_content(is_refusal=event.kind == "refusal")
        out = self._close_message()
        if event.kind == "thinking":
            reasoning = self._open = ReasoningItem(self._next_id("rs"))
            return out + self._added(reasoning.document(self._context))
        tool = self._grouped.get(event.name)
        if tool is not None:
            event = msgspec.structs.replace(event, name=tool.own_name)
        item_id = self._next_id("ctc" if event.is_custom else "fc")
        call = self._open = CallItem(item_id, event, tool.namespace if tool is not None else "")
        return out + self._added(call.document("in_progress"))

    def _next_id(self, prefix: str) -> str:
        found = f"{prefix}_{self._context.response_id}_{self._items}"
        self._items += 1
        return found

    def _added(self, item: dict[str, Any]) -> bytes:
        return self._event("response.output_item.added", output_index=len(self._output), item=item)

    def _done(self, item: dict[str, Any]) -> bytes:
        out = self._event("response.output_item.done", output_index=len(self._output), item=item)
        self._output.append(item)
        self._open = None
        return out

    def _start_content(self, *, is_refusal: bool) -> bytes:
        message, out = self._open, b""
        if not isinstance(message, MessageItem):
            message = self._open = MessageItem(self._next_id("msg"))
            out = self._added(message.document("in_progress"))
        content = Content(is_refusal)
        message.contents.append(content)
        return out + self._event(
            "response.content_part.added", **self._place(message), part=content.document()
        )

    def _place(self, message: MessageItem) -> dict[str, Any]:
        return {
            "item_id": message.id,
            "output_index": len(self._output),
            "content_index": len(message.contents) - 1,
        }

    def _delta(self, event: BlockDelta) -> bytes:
        item = self._open
        if item is None:
            return b""
        place: dict[str, Any] = {"item_id": item.id, "output_index": len(self._output)}
        if isinstance(item, MessageItem):
            return self._text(item, event)
        out = b""
        if isinstance(item, ReasoningItem):
            place["summary_index"] = 0
            if not item.texts:
                part = {"type": "summary_text", "text": ""}
                out = self._event("response.reasoning_summary_part.added", **place, part=part)
            kind = "response.reasoning_summary_text.delta"
        elif item.started.is_custom:
            kind = "response.custom_tool_call_input.delta"
        else:
            kind = "response.function_call_arguments.delta"
        item.texts.append(event.text)
        return out + self._event(kind, **place, delta=event.text)

    def _text(self, message: MessageItem, event: BlockDelta) -> bytes:
        content = message.contents[-1]
        content.texts.append(event.text)
        if content.is_refusal:
            return self._event("response.refusal.delta", **self._place(message), delta=event.text)
        logprobs = event.logprobs or []
        content.logprobs += logprobs
        place = self._place(message)
        return self._event("response.output_text.delta", **place, delta=event.text, logprobs=logprobs)

    def _annotation(self, event: Annotated) -> bytes:
        message = self._open
        if not isinstance(message, MessageItem) or message.contents[-1].is_refusal:
            return b""
        annotations = message.contents[-1].annotations
        annotations.append(event.annotation)
        return self._event(
            "response.output_text.annotation.added",
            **self._place(message),
            annotation_index=len(annotations) - 1,
            annotation=event.annotation,
        )

    def _end(self, event: BlockEnded) -> bytes:
        item = self._open
        if isinstance(item, MessageItem):
            return self._end_content(item)
        if isinstance(item, ReasoningItem):
            return self._end_reasoning(item, event)
        if item is None:
            return b""
        place = {"item_id": item.id, "output_index": len(self._output)}
        document = item.document("completed")
        if item.started.is_custom:
            kind = "response.custom_tool_call_input.done"
            return self._event(kind, **place, input=item.text) + self._done(document)
        kind = "response.function_call_arguments.done"
        name = item.started.name
        return self._event(kind, **place, name=name, arguments=item.text) + self._done(document)

    def _end_content(self, message: MessageItem) -> bytes:
        """End a part. The message stays open for another part."""
        content, place = message.contents[-1], self._place(message)
        if content.is_refusal:
            out = self._event("response.refusal.done", **place, refusal=content.text)
        else:
            logprobs = list(content.logprobs)
            out = self._event("response.output_text.done", **place, text=content.text, logprobs=logprobs)
        return out + self._event("response.content_part.done", **place, part=content.document())

    def _end_reasoning(self, item: ReasoningItem, event: BlockEnded) -> bytes:
        item.ended, out = event, b""
        if item.texts:
            place = {"item_id": item.id, "output_index": len(self._output), "summary_index": 0}
            part = {"type": "summary_text", "text": item.text}
            out = self._event("response.reasoning_summary_text.done", **place, text=item.text)
            out += self._event("response.reasoning_summary_part.done", **place, part=part)
        return out + self._done(item.document(self._context))

    def _close_message(self) -> bytes:
        message = self._open
        if not isinstance(message, MessageItem):
            return b""
        is_cut = self._reason in {FinishReason.LENGTH, FinishReason.CONTENT_FILTER}
        return self._done(message.document("incomplete" if is_cut else "completed"))

    def _finish(self, event: Finished) -> bytes:
        self._reason, out = event.reason, b""
        if (
            event.message
            and event.reason is FinishReason.CONTENT_FILTER
            and not self._output
            and not self._open
        ):
            out = self._start_content(is_refusal=True)
            out += self._delta(BlockDelta(0, event.message)) + self._end(BlockEnded(0))
        return out + self._close_message()


def document(message: Message, context: WriterContext) -> bytes:
    """Return a whole response: the events folded, so that both forms have the same items."""
    writer = ResponsesWriter(context)
    writer.write(Started(message.id, message.usage))
    choice = message.choice()
    for place, block in enumerate(choice.blocks):
        for event in _events_of(place, block):
            writer.write(event)
    if choice.finished is not None:
        writer.write(choice.finished)
    writer.write(Ended())
    return _encode(writer.document())


def _events_of(place: int, block: Block) -> list[Event]:
    text = block.text
    deltas: list[Event] = [BlockDelta(place, text, block.logprobs or None)] if text else []
    return [
        BlockStarted(place, block.kind, block.id, block.name, block.is_custom),
        *deltas,
        *[Annotated(place, annotation) for annotation in block.annotations],
        BlockEnded(place, block.signature, block.redacted, block.place),
    ]
