"""A Messages stream: events in, events out, as bytes. The model's name and the signatures change, nothing else.

Few members are decoded: the usage, the reason of the end, errors, and the text, to count it where no usage comes.
`message_stop` is left to the relay: it must not be sent before the call is recorded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, cast

import msgspec
from typing_extensions import override

from providers.conversation.messages.answer_events import StreamEvent, read_event
from providers.conversation.messages.usage import UsageJson, merged, prompt_usage, usage_of
from providers.dialects.anthropic.aliased import KINDS, Owner, with_alias, with_mark
from providers.dialects.anthropic.frames import FRAMES
from providers.dialects.base import ParsedEvent, Stream
from providers.dialects.output_text import PIECE, Produced
from providers.errors.inner_errors import MOST_BODY, body_of
from providers.errors.redaction import without_values
from providers.framing.malformed import MalformedStream
from providers.framing.sse import ERROR, MAX_EVENT, EventTooLarge, GrantMemory, SseEvent, events_of
from providers.json_scan.limits import MalformedAnswer
from providers.platforms.anthropic import Framing
from providers.usage import Usage

STOP: Final = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_ONE_LINE: Final = bytes.maketrans(b"\r\n", b"  ")


class AnthropicStream(Stream):
    def __init__(
        self,
        alias: str,
        owner: Owner,
        grant_memory: GrantMemory | None = None,
        max_event: int = MAX_EVENT,
        framing: Framing = "sse",
    ) -> None:
        self._alias, self._owner = alias, owner
        self._frames = FRAMES[framing](max_event, grant_memory)
        self.started = self.done = False
        self.usage: Usage | None = None
        self.failure: bytes | None = None
        self.large: bytes | None = None
        self.has_offload = self.is_full = False
        self.produced_events = self.produced_bytes = self.sound_chars = 0
        self._is_finished = self._is_usage_final = False
        self._reported: UsageJson | None = None
        self._produced = Produced()
        self._texts: list[str] = []
        self._chars = 0
        self._secrets: tuple[str, ...] = ()
        self._final = STOP

    @property
    @override
    def unfinished_bytes(self) -> int:
        return self._frames.pending_bytes

    @property
    @override
    def is_finished(self) -> bool:
        return self._is_finished or self.done

    @property
    @override
    def has_final_usage(self) -> bool:
        return self._is_usage_final

    @property
    @override
    def final(self) -> bytes:
        return self._final

    @override
    def failed(self, body: bytes) -> bytes:
        return b""

    @override
    def set_target(self, model: str, secrets: tuple[str, ...]) -> None:
        self._produced.model, self._secrets = model, secrets

    @override
    def feed(self, block: bytes) -> bytes:
        try:
            events = self._frames.feed(block)
        except EventTooLarge as error:
            out, self.is_full = self._take(error.events), error.is_ours
            if not out:
                raise MalformedStream(str(error), is_ours=error.is_ours) from error
            if not self.done:
                self._fail(body_of(str(error)))  # the events before it in this block are still sent
            return out
        return self._take(events)

    @override
    def resume(self, event: ParsedEvent) -> bytes:
        raise NotImplementedError("no event of this API is parsed in another process")

    @override
    def end(self) -> bytes:
        """The standard discards what no blank line follows; an error, or the end, in it is still one."""
        left = self._frames.close()
        if left and len(left) <= MOST_BODY and not self.done and self.failure is None:
            for event in events_of(left.rstrip(b"\n")):
                if event.event in {ERROR, "message_stop"}:
                    self._take([event])
        self.done = self.failure is None and self.is_finished
        return b""

    @override
    def produced(self) -> str:
        return self._produced.text + "".join(self._texts)

    @property
    @override
    def produced_tokens(self) -> int:
        return round(self._produced.tokens)

    def _take(self, events: Iterable[bytes | SseEvent]) -> bytes:
        out: list[bytes] = []
        for event in events:
            if self.done or self.failure is not None:
                break
            try:
                self._pass(event, out)
            except (MalformedStream, msgspec.DecodeError, MalformedAnswer, RecursionError) as error:
                body = error.body if isinstance(error, MalformedStream) else None
                if not out:
                    raise MalformedStream(f"an event that is not of this API: {error}", body) from error
                self._fail(body or body_of(str(error)))  # the events before it are still sent
        return b"".join(out)

    def _pass(self, event: bytes | SseEvent, out: list[bytes]) -> None:
        """Note the event, and append it if the client gets it now."""
        name, data = (event.event, event.data) if type(event) is SseEvent else ("", cast("bytes", event))
        try:
            found = read_event(data)
        except msgspec.DecodeError:
            if not data.strip():
                return
            if name != ERROR:
                raise
            self._fail(body_of(data.decode("utf-8", "replace")))
            return
        kind = found.type or name
        if kind == "content_block_delta":
            data = self._note_delta(found, data)
        elif kind == "message_stop":
            self.done, self._final = True, _event(kind, data)
            return
        elif kind == ERROR or (not kind and found.error):
            self._fail(data[:MOST_BODY])
            return
        else:
            data = self._note(kind, found, data)
        out.append(_event(kind, data))

    def _note_delta(self, event: StreamEvent, data: bytes) -> bytes:
        delta = event.delta
        if delta is None:
            return data
        self.started, self._is_usage_final = True, False
        text = delta.text or delta.partial_json or delta.thinking
        if text:
            self._add_text(text)
        elif delta.signature and self._owner.ownership is not None:
            return with_mark(data, "delta", self._owner)
        return data

    def _note(self, kind: str, event: StreamEvent, data: bytes) -> bytes:
        block = event.content_block
        if kind == "message_start" and event.message is not None:
            self._reported = event.message.usage
            self.usage = None if self._reported is None else prompt_usage(self._reported)
            return with_alias(data, "message", self._alias)
        if kind == "content_block_start" and block is not None:
            self.started = self.started or block.type != "text" or bool(block.text)
            self._is_usage_final = False
            if text := block.name or block.text or block.thinking:
                self._add_text(text)
            is_signed = block.type in KINDS and self._owner.ownership is not None
            return with_mark(data, "content_block", self._owner) if is_signed else data
        if kind == "message_delta":
            self._end_message(event)
            return data
        return data if kind in _KNOWN else without_values(data, self._secrets)

    def _end_message(self, event: StreamEvent) -> None:
        """The usage is cumulative; with the reason of the end it is that of the whole response."""
        is_end = event.delta is not None and event.delta.stop_reason is not None
        if event.usage is not None:
            self._reported = merged(self._reported, event.usage)
            self.usage = usage_of(self._reported) or self.usage
            self._is_usage_final = is_end
        self._is_finished = self._is_finished or is_end
        self.started = self.started or is_end

    def _add_text(self, text: str) -> None:
        """Count a produced text, and keep it to count its tokens."""
        size = len(text)
        self.produced_bytes += size if text.isascii() else len(text.encode("utf-8", "replace"))
        self.produced_events += 1
        self._texts.append(text)
        self._chars += size
        if self._chars >= PIECE:
            self._produced.add("".join(self._texts))
            self._texts, self._chars = [], 0

    def _fail(self, body: bytes) -> None:
        if self.failure is None:
            self.failure = body if len(body) <= MOST_BODY else body_of("an error of many words")


_KNOWN: Final = frozenset({"content_block_stop", "ping", "message_start", "content_block_start"})


def _event(kind: str, data: bytes) -> bytes:
    """Return one event; a line break in JSON is white space."""
    if b"\n" in data or b"\r" in data:
        data = data.translate(_ONE_LINE)
    if kind == "content_block_delta":
        return b"event: content_block_delta\ndata: %b\n\n" % data
    return (
        b"event: %b\ndata: %b\n\n" % (kind.encode("utf-8", "replace"), data)
        if kind
        else b"data: %b\n\n" % data
    )
