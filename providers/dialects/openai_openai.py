"""OpenAI to OpenAI: bytes pass; `model` is patched on the way in and restored on the way out; usage is read in passing.

Source of the shapes: the OpenAI API reference, "Chat" and "Embeddings". Values are never re-serialized: a document is
taken apart into its top-level members as raw bytes and put together again, so what we do not know passes untouched.
"""

from __future__ import annotations

from typing import Any

import msgspec
from typing_extensions import override

from providers.additions import Added, stated
from providers.dialects.base import Answered, Dialect, MalformedAnswer, MalformedStream, Shape, Stream
from providers.dialects.loose import LONG, bytes_of, is_busy, produced_by, sound_in, text_of
from providers.dialects.openai_request import assemble, body_for, members, set_by_gateway
from providers.dialects.spelling import Spelling
from providers.redaction import redact_json, without_values
from providers.sse import LF, EventTooLarge, SseParser
from providers.target import Target
from providers.usage import Usage
from providers.usage_openai import UsageJson, in_tier, usage_in, usage_of

DONE = b"data: [DONE]\n\n"
MAX_PRODUCED_CHARS = 4_000_000  # beyond this the text is no longer kept, only counted in events


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_text: str | None = None
    thinking: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None
    audio: Any = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None
    text: str | None = None


class _Chunk(msgspec.Struct):  # or a whole answer
    choices: list[_Choice] | None = None
    usage: UsageJson | None = None
    service_tier: Any = None
    error: Any = None


_ODD = _Chunk(choices=[_Choice(delta=_Delta(content=""))])  # a dialect of the dialect: passes, uncounted
_chunk = msgspec.json.Decoder(_Chunk)
_encode = msgspec.json.Encoder().encode


class OpenAIToOpenAI(Dialect):
    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    @override
    def request(self, raw: bytes, target: Target, added: Added | None = None) -> bytes:
        """Return the body for this target; the very same bytes when there is nothing to change."""
        return body_for(self._shape, raw, target, added or stated(target))

    @override
    def told(self, added: Added) -> str:
        return set_by_gateway(self._shape, added)

    @override
    def response(self, raw: bytes) -> Answered:
        key = self._shape.content_key
        try:
            parts = members(raw)
            # The vectors of embeddings are long, and are looked at once only.
            document = _chunk.decode(raw if key == "choices" else _read_of(parts))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise MalformedAnswer(str(error), usage_in(raw, writes=key == "choices")) from error
        if document.error is not None or key not in parts:
            raise MalformedAnswer(f"no '{key}' in the answer", usage_in(raw, writes=key == "choices"))
        if "model" in parts:
            parts["model"] = msgspec.Raw(_encode(self._shape.alias))
            raw = assemble(parts)
        usage = None if document.usage is None else in_tier(usage_of(document.usage), document.service_tier)
        is_said = not document.choices or (usage is not None and not usage.is_lacking)
        return Answered(raw, usage, "" if is_said else text_of(document.choices or []))

    @override
    def stream(self) -> OpenAIStream:
        return OpenAIStream(self._shape)


class OpenAIStream(Stream):
    """Chunks in, chunks out, one pass. `[DONE]` is left to the relay: it must not leave before the call is recorded."""

    def __init__(self, shape: Shape) -> None:
        self.started = self.done = False
        self.usage: Usage | None = None
        self._told_at: tuple[int, ...] = ()  # how far the answer was when its usage was told
        self.failure: bytes | None = None
        self.produced_events = self.produced_bytes = self.sound_chars = 0
        self.secrets: tuple[str, ...] = ()
        self._includes_usage = shape.include_usage
        self._tier: Any = None
        self._parser = SseParser()
        self._texts: list[str] = []
        self._chars = 0
        self._open_choices: set[int] = set()
        self._finished_choices: set[int] = set()
        self._spelling = Spelling(_encode(shape.alias))

    @property
    @override
    def unfinished_bytes(self) -> int:
        return self._parser.pending_bytes

    @property
    @override
    def is_finished(self) -> bool:
        return self.done or bool(self._finished_choices and not self._open_choices)

    @property
    @override
    def has_final_usage(self) -> bool:
        return self._told_at == self._so_far()

    def _so_far(self) -> tuple[int, ...]:
        return self.produced_events, self.produced_bytes, self.sound_chars, len(self._finished_choices)

    @override
    def feed(self, block: bytes) -> bytes:
        try:
            events = self._parser.feed(block)
        except EventTooLarge as error:
            raise MalformedStream(str(error)) from error
        out: list[bytes] = []
        for event in events:
            if self.done or self.failure is not None:
                break
            try:
                data = self._pass(event.data)
            except MalformedStream as error:
                if not out:
                    raise
                self.failure = _encode(str(error))  # what came before it in this block still goes out
                break
            if data is not None:
                out.append(b"data: %b\n\n" % data)
        return b"".join(out)

    @override
    def end(self) -> bytes:
        self._parser.close()
        self.done = self.is_finished
        return b""

    @override
    def produced(self) -> str:
        return "".join(self._texts)

    def _pass(self, data: bytes) -> bytes | None:
        """Note what the event says and return its data for the client, or None for what the client did not ask for."""
        if data == b"[DONE]":
            self.done = True
            return None
        if LF in data:  # several data: lines; inside JSON a line break is white space
            data = data.replace(b"\n", b" ")
        chunk = self._decode(data)
        if chunk.error is not None:
            self.failure = _encode(chunk.error)
        if self.failure is not None:
            return None
        if chunk.service_tier:
            self._tier = chunk.service_tier
        for choice in chunk.choices or ():
            self._note(choice)
        if chunk.usage is not None and (usage := in_tier(usage_of(chunk.usage), self._tier)) is not None:
            self.usage, self._told_at = usage, self._so_far()
        return self._told(data, chunk)

    def _told(self, data: bytes, chunk: _Chunk) -> bytes | None:
        if chunk is _ODD:
            data = without_values(data, self.secrets)
        elif not chunk.choices and chunk.usage is None:
            # Our secrets may be in an error in a shape of its own.
            data = redact_json(data, self.secrets)
        if not self._includes_usage:
            if not chunk.choices and chunk.usage is not None:
                return None  # the usage chunk that we asked for, not the client
            data = self._spelling.without_null_usage(data)
        return self._spelling.with_own_model(data)

    def _decode(self, data: bytes) -> _Chunk:
        try:
            if len(data) <= LONG or not is_busy(data):
                return _chunk.decode(data)
        except msgspec.ValidationError as error:
            if b'"choices"' not in data and b'"error"' not in data:
                raise MalformedStream(str(error)) from error
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise MalformedStream(str(error)) from error
        self._check_object(data)
        self.produced_bytes += bytes_of(data)
        return _ODD

    def _check_object(self, data: bytes) -> None:
        try:
            parts = members(data)
        except (msgspec.DecodeError, RecursionError) as error:
            raise MalformedStream(str(error)) from error
        if "error" in parts and bytes(parts["error"]) != b"null":
            self.failure = bytes(parts["error"])

    def _note(self, choice: _Choice) -> None:
        delta, text = choice.delta, choice.text
        if delta is not None:
            is_more = delta.tool_calls or delta.reasoning_content or delta.reasoning or delta.thinking
            if is_more or delta.reasoning_text or delta.refusal or delta.function_call or not delta.content:
                text = text or produced_by(delta)
            text = text or delta.content
            if delta.audio is not None:
                chars, words = sound_in(delta.audio)
                self.sound_chars += chars
                self.produced_bytes += words
        if text:
            self.produced_bytes += len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
            self.produced_events += 1
            self.started = True
            if self._chars < MAX_PRODUCED_CHARS:
                self._texts.append(text)
                self._chars += len(text)
        elif delta is not None and (delta.audio is not None or delta.tool_calls):
            self.started = True
        if choice.finish_reason is not None:
            self.started = True
            self._finished_choices.add(choice.index)
            self._open_choices.discard(choice.index)
        elif choice.index not in self._finished_choices:
            self._open_choices.add(choice.index)


def _read_of(parts: dict[str, msgspec.Raw]) -> bytes:
    """Return an answer without what is not read of it."""
    return assemble({name: parts[name] for name in _Chunk.__struct_fields__ if name in parts})
