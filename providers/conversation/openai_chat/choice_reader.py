"""One choice of a chat response: what its deltas add becomes blocks."""

from __future__ import annotations

from typing import Any, Final

from providers.conversation.events import (
    Annotated,
    BlockDelta,
    BlockEnded,
    BlockKind,
    BlockStarted,
    Event,
    Finished,
    FinishReason,
)
from providers.conversation.openai_chat.call_reader import Calls
from providers.conversation.openai_chat.chunk import CallDelta, Choice, Delta, Logprobs
from providers.conversation.openai_chat.think_tags import ThinkTags

_REASONS: Final = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "tool_use": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
    "safety": FinishReason.CONTENT_FILTER,
    "refusal": FinishReason.CONTENT_FILTER,
    "sensitive": FinishReason.CONTENT_FILTER,
}
OLD_CALL: Final = -1  # the index of a `function_call`


class ChoiceReader:
    """`prefix` begins the ids of calls without one."""

    def __init__(self, index: int, prefix: str) -> None:
        self.is_finished = False
        self._index, self._next = index, 0
        self._kind: BlockKind | None = None  # of the open block of text, thinking or refusal
        self._block = 0
        self._tags: ThinkTags | None = ThinkTags()
        self._calls = Calls(prefix, index)

    def take(self, choice: Choice, *, is_whole: bool) -> list[Event]:
        """Return the events of what a chunk, or a whole response, holds of the choice."""
        if self.is_finished:
            return []
        delta = choice.delta or choice.message
        out: list[Event] = []
        if delta is not None:
            self._add(delta, choice.logprobs, out, is_whole=is_whole)
        elif choice.text:
            self._add_content(choice.text, None, out)
        return out

    def finish(self, reason: str) -> list[Event]:
        """End the choice; "": its provider did not say why."""
        if self.is_finished:
            return []
        out: list[Event] = []
        self._end_content(out)
        ended = self._calls.end(self._next)
        self._count(ended)
        out += ended
        self.is_finished = True
        known = _REASONS.get(reason.lower(), FinishReason.STOP)
        return [*out, Finished(known, vendor_reason=reason, choice=self._index)]

    def _add(self, delta: Delta, logprobs: Logprobs | None, out: list[Event], *, is_whole: bool) -> None:
        if thoughts := delta.thoughts:
            self._tags = None  # this server tells them apart
            self._add_text("thinking", thoughts, None, out)
        if delta.extra_content is not None:
            self._sign_text(delta.extra_content, out)
        if delta.content:
            self._add_content(delta.content, logprobs, out)
        if delta.refusal:
            probabilities = logprobs.refusal if logprobs is not None else None
            self._add_text("refusal", delta.refusal, probabilities, out)
        for each in delta.annotations or ():
            self._add_text("text", "", None, out)
            out.append(Annotated(self._block, each, choice=self._index))
        for call in delta.tool_calls or ():
            self._add_call(call, out, is_whole=is_whole)
        if delta.function_call is not None:
            self._add_call(CallDelta(OLD_CALL, function=delta.function_call), out, is_whole=False)

    def _add_content(self, text: str, logprobs: Logprobs | None, out: list[Event]) -> None:
        probabilities = logprobs.content if logprobs is not None else None
        if self._tags is None:
            self._add_text("text", text, probabilities, out)
            return
        thought, text = self._tags.take(text)
        if self._tags.is_text:
            self._tags = None
        if thought:
            self._add_text("thinking", thought, None, out)
        if text:
            self._add_text("text", text, probabilities, out)

    def _add_text(self, kind: BlockKind, text: str, logprobs: list[Any] | None, out: list[Event]) -> None:
        """Add text to the open block of this kind, or to a new one."""
        if self._kind != kind:
            self._end_block(out)
            out += self._calls.end_whole()
            self._kind, self._block = kind, self._next
            self._next += 1
            out.append(BlockStarted(self._block, kind, choice=self._index))
        if text or logprobs:
            out.append(BlockDelta(self._block, text, logprobs or None, choice=self._index))

    def _add_call(self, call: CallDelta, out: list[Event], *, is_whole: bool) -> None:
        self._end_content(out)
        events = self._calls.take(call, self._next, is_whole=is_whole)
        self._count(events)
        out += events

    def _sign_text(self, extra: Any, out: list[Event]) -> None:
        """Note Google's signature of a text."""
        google = extra.get("google") if isinstance(extra, dict) else None
        signature = google.get("thought_signature") if isinstance(google, dict) else None
        if isinstance(signature, str) and signature:
            self._end_content(out)
            block, self._next = self._next, self._next + 1
            out += (
                BlockStarted(block, "thinking", choice=self._index),
                BlockEnded(block, signature, place="text", choice=self._index),
            )

    def _end_content(self, out: list[Event]) -> None:
        """End text and thinking, and what was held back of them."""
        if self._tags is not None:
            thought, text = self._tags.end()
            if thought:
                self._add_text("thinking", thought, None, out)
            if text:
                self._add_text("text", text, None, out)
        self._end_block(out)

    def _end_block(self, out: list[Event]) -> None:
        if self._kind is not None:
            out.append(BlockEnded(self._block, choice=self._index))
            self._kind = None

    def _count(self, events: list[Event]) -> None:
        self._next += sum([isinstance(event, BlockStarted) for event in events])
