"""Reads the named events of Responses, or its whole document, into events. Pure, incremental, lenient.

What is not known is ignored: items of hosted tools, events of later versions. Servers that leave events out - the parts
of a message, deltas of arguments - are read from the events that end an item.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from typing_extensions import override

from providers.conversation.apis import ResponseReader
from providers.conversation.events import (
    Annotated,
    BlockDelta,
    BlockEnded,
    BlockKind,
    BlockStarted,
    Ended,
    Event,
    Failed,
    Finished,
    FinishReason,
    Ping,
    Started,
    UsageReported,
)
from providers.conversation.responses.usage import object_in, usage_in
from providers.errors.inner_errors import body_of
from providers.framing.malformed import MalformedStream
from providers.framing.sse import ERROR, EventTooLarge, GrantMemory, SseEvent, SseParser, events_of
from providers.json_scan.limits import MalformedAnswer

_DELTAS: Final[dict[str, BlockKind]] = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
    "response.function_call_arguments.delta": "tool",
    "response.custom_tool_call_input.delta": "tool",
    "response.reasoning_summary_text.delta": "thinking",
    "response.reasoning_text.delta": "thinking",
}
_CONTENTS: Final[dict[str, BlockKind]] = {"output_text": "text", "refusal": "refusal"}
_CALLS: Final = {"function_call": ("arguments", False), "custom_tool_call": ("input", True)}
_BEGUN: Final = frozenset({"response.created", "response.in_progress", "response.queued"})
_ENDED: Final = frozenset({"response.completed", "response.incomplete", "completed", "incomplete"})
_FAILED: Final = frozenset({"response.failed", "response.cancelled", "failed", "cancelled"})
_REASONS: Final = {"content_filter": FinishReason.CONTENT_FILTER}
_DONE: Final = b"[DONE]"
_BETWEEN: Final = "\n\n"  # two parts of a summary
_ITSELF: Final = -1  # the part of an item that is one block
_any = msgspec.json.Decoder(dict[str, Any])


class Reader(ResponseReader):
    """Blocks are numbered in the order in which they begin, whatever the provider's indexes are."""

    def __init__(self, max_event: int, grant_memory: GrantMemory | None = None) -> None:
        self._parser = SseParser(max_event, grant_memory)
        self._items = Items()

    @property
    @override
    def unfinished_bytes(self) -> int:
        return self._parser.pending_bytes

    @override
    def feed(self, block: bytes) -> Iterator[Event]:
        try:
            events = self._parser.feed(block)
        except EventTooLarge as error:
            yield from self._events(error.events)
            raise MalformedStream(str(error), is_ours=error.is_ours) from error
        yield from self._events(events)

    @override
    def close(self) -> Iterator[Event]:
        """An event that no blank line follows is discarded, except a short one that ends the stream."""
        left = self._parser.close().rstrip(b"\n")
        if left and left.endswith(b"}"):
            yield from self._events(events_of(left))
        yield from self._items.close()

    def _events(self, events: Iterable[bytes | SseEvent]) -> Iterator[Event]:
        for event in events:
            data = event if isinstance(event, bytes) else event.data
            name = "" if isinstance(event, bytes) else event.event
            if not data.strip() or data.strip() == _DONE:
                continue
            try:
                document = _any.decode(data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                if name == ERROR:
                    yield Failed(body_of(data.decode("utf-8", "replace")[:1_000]))
                    return
                raise MalformedStream(f"not an event of Responses: {data[:80]!r}") from error
            yield from self._items.take(document, name)


class Items:
    """The items of one response, from its events or from its document."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[Any, Any], int] = {}  # by item and part
        self._written: set[int] = set()  # blocks with content
        self._closed: set[int] = set()
        self._summaries: dict[int, Any] = {}  # the summary part that a block's last text was of
        self._has_begun = False
        self._error = b""

    def close(self) -> Iterator[Event]:
        """Yield the error that no end of the response followed."""
        if self._error:
            yield Failed(self._error)

    def take(self, event: dict[str, Any], name: str = "") -> Iterator[Event]:
        """Yield what one event means."""
        stated = event.get("type")
        kind = stated if isinstance(stated, str) else name
        if kind in _DELTAS:
            yield from self._delta(event, _DELTAS[kind])
        elif kind in _BEGUN:
            yield from self._begin(object_in(event, "response"))
        elif kind in _ENDED or kind in _FAILED:
            yield from self._end(object_in(event, "response"), is_failed=kind in _FAILED)
        elif kind == ERROR or (event.get("error") and "response" not in event):
            self._error = _error_body(event)  # `response.failed`, which has the usage, may follow
        elif kind == "keepalive":
            yield Ping()
        else:
            yield from self._of_item(kind, event)

    def _of_item(self, kind: str, event: dict[str, Any]) -> Iterator[Event]:
        index, place = event.get("output_index"), event.get("content_index")
        if kind == "response.output_item.added":
            yield from self._added(index, object_in(event, "item"))
        elif kind == "response.output_item.done":
            yield from self._done(index, object_in(event, "item"))
        elif kind == "response.content_part.added":
            content = _CONTENTS.get(str(object_in(event, "part").get("type")))
            if content is not None:
                yield from self._opened((index, place), content)
        elif kind == "response.content_part.done":
            yield from self._content((index, place), event.get("part"))
        elif kind == "response.output_text.annotation.added":
            yield from self._annotated(event)

    def whole(self, response: dict[str, Any]) -> Iterator[Event]:
        """Yield the events of a whole response."""
        yield from self._begin(response)
        yield from self._rest(response)
        yield from self._end(response, is_failed=response.get("status") in _FAILED)

    def _begin(self, response: dict[str, Any]) -> Iterator[Event]:
        if not self._has_begun:
            self._has_begun = True
            vendor_id = response.get("id")
            yield Started(vendor_id if isinstance(vendor_id, str) else "")

    def _opened(self, key: tuple[Any, Any], kind: BlockKind, **of_call: Any) -> Iterator[Event]:
        if key not in self._blocks:
            block = self._blocks[key] = len(self._blocks)
            yield BlockStarted(block, kind, **of_call)

    def _added(self, index: Any, item: dict[str, Any]) -> Iterator[Event]:
        kind = item.get("type")
        if kind == "reasoning":
            yield from self._opened((index, _ITSELF), "thinking")
        elif kind in _CALLS:
            call_id, name = item.get("call_id"), item.get("name")
            yield from self._opened(
                (index, _ITSELF),
                "tool",
                id=call_id if isinstance(call_id, str) else "",
                name=name if isinstance(name, str) else "",
                is_custom=_CALLS[kind][1],
            )

    def _delta(self, event: dict[str, Any], kind: BlockKind) -> Iterator[Event]:
        text, index = event.get("delta"), event.get("output_index")
        if not isinstance(text, str):
            return
        is_part = kind in {"text", "refusal"}
        key = (index, event.get("content_index") if is_part else _ITSELF)
        if kind != "tool":
            yield from self._opened(key, kind)
        block = self._blocks.get(key)
        if block is None:
            return  # a call of which neither name nor id is known
        if kind == "thinking":
            part = event.get("summary_index", event.get("content_index"))
            if block in self._written and self._summaries.get(block) != part:
                text = _BETWEEN + text
            self._summaries[block] = part
        self._written.add(block)
        logprobs = event.get("logprobs")
        yield BlockDelta(block, text, logprobs if isinstance(logprobs, list) and logprobs else None)

    def _annotated(self, event: dict[str, Any]) -> Iterator[Event]:
        block = self._blocks.get((event.get("output_index"), event.get("content_index")))
        annotation = event.get("annotation")
        if block is not None and isinstance(annotation, dict):
            yield Annotated(block, annotation)

    def _done(self, index: Any, item: dict[str, Any]) -> Iterator[Event]:
        """End an item, with what its deltas did not have."""
        kind = item.get("type")
        if kind == "message":
            for place, part in enumerate(_list(item, "content")):
                yield from self._content((index, place), part)
            return
        yield from self._added(index, item)
        block = self._blocks.get((index, _ITSELF))
        if block is None or block in self._closed:
            return
        text = _summary(item) if kind == "reasoning" else item.get(_CALLS.get(str(kind), ("", False))[0])
        if block not in self._written and isinstance(text, str) and text:
            yield BlockDelta(block, text)
        self._closed.add(block)
        signature = item.get("encrypted_content")
        yield BlockEnded(block, signature if kind == "reasoning" and isinstance(signature, str) else "")

    def _content(self, key: tuple[Any, Any], part: Any) -> Iterator[Event]:
        kind = _CONTENTS.get(str(part.get("type"))) if isinstance(part, dict) else None
        if kind is None:
            return
        is_new = key not in self._blocks
        yield from self._opened(key, kind)
        block = self._blocks[key]
        text = part.get("refusal" if kind == "refusal" else "text")
        if block in self._closed:
            return
        if block not in self._written and isinstance(text, str) and text:
            logprobs = part.get("logprobs")
            yield BlockDelta(block, text, logprobs if isinstance(logprobs, list) and logprobs else None)
        if is_new:
            for annotation in _list(part, "annotations"):
                if isinstance(annotation, dict):
                    yield Annotated(block, annotation)
        self._closed.add(block)
        yield BlockEnded(block)

    def _rest(self, response: dict[str, Any]) -> Iterator[Event]:
        for index, item in enumerate(_list(response, "output")):
            if isinstance(item, dict):
                yield from self._done(index, item)

    def _end(self, response: dict[str, Any], *, is_failed: bool) -> Iterator[Event]:
        yield from self._begin(response)
        usage = usage_in(response)
        if is_failed:
            if usage is not None:
                yield UsageReported(usage, is_final=True)
            yield Failed(self._error or _error_body(response))
            return
        if not self._blocks:
            yield from self._rest(response)  # of a server that sends only the end
        if usage is not None:
            yield UsageReported(usage, is_final=True)
        why = object_in(response, "incomplete_details").get("reason")
        is_cut = response.get("status") == "incomplete" or why is not None
        reason = _REASONS.get(str(why), FinishReason.LENGTH) if is_cut else FinishReason.STOP
        yield Finished(reason, vendor_reason=str(why or response.get("status") or "")[:64])
        yield Ended()


def document(raw: bytes) -> Iterator[Event]:
    """Yield the events of a whole response. Raises MalformedAnswer."""
    try:
        response = _any.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer(f"not a response: {error}") from error
    has_failed = response.get("status") in _FAILED
    if not has_failed and not isinstance(response.get("output"), list):
        body = _error_body(response) if response.get("error") else None
        raise MalformedAnswer("no 'output' in the answer", usage_in(response), body)
    yield from Items().whole(response)


def _error_body(given: dict[str, Any]) -> bytes:
    """Return the error of an event, or of a failed response, as a body that verdicts read."""
    error = given.get("error")
    if not error:
        names = ("message", "code", "param")
        error = {name: given[name] for name in names if given.get(name) is not None}
    return body_of(error or f"the response is {given.get('status') or 'not complete'}")


def _summary(item: dict[str, Any]) -> str:
    parts = _list(item, "summary") or _list(item, "content")
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return _BETWEEN.join([text for text in texts if isinstance(text, str)])


def _list(given: dict[str, Any], name: str) -> list[Any]:
    value = given.get(name)
    return value if isinstance(value, list) else []
