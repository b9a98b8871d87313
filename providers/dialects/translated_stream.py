"""A stream that is translated: the upstream's events become the client's (providers/dialects/translated.py)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from typing_extensions import override

from providers.conversation.apis import ResponseReader, StreamWriter
from providers.conversation.custom_calls import CustomCalls
from providers.conversation.events import (
    BlockDelta,
    BlockStarted,
    Ended,
    Event,
    Failed,
    Finished,
    Started,
    UsageReported,
)
from providers.conversation.sequence import Sequence, TooManyBlocks
from providers.dialects.base import ParsedEvent, Stream
from providers.dialects.output_text import PIECE, Produced
from providers.framing.malformed import MalformedStream
from providers.usage import Usage

MOST_EVENTS: Final = 20_000  # of the bytes of one read: one large event may have very many parts


class TranslatedStream(Stream):
    """Reads one upstream stream, and writes the client's. `choices` is the number requested; `custom`: see there."""

    def __init__(
        self,
        reader: ResponseReader,
        writer: StreamWriter,
        *,
        choices: int = 1,
        custom: CustomCalls | None = None,
    ) -> None:
        self._reader, self._writer, self._custom = reader, writer, custom
        self._sequence = Sequence()
        self.started = self.done = False
        self.usage: Usage | None = None
        self.failure: bytes | None = None
        self.large: bytes | None = None
        self.has_offload = self.is_full = False
        self.produced_events = self.produced_bytes = self.sound_chars = 0
        self._choices, self._open, self._finished = choices, set[int](), set[int]()
        self._is_usage_final = self._is_usage_old = False  # old: more was produced after it
        self._produced = Produced()
        self._texts: list[str] = []
        self._chars = 0

    @property
    @override
    def unfinished_bytes(self) -> int:
        return self._reader.unfinished_bytes

    @property
    @override
    def is_finished(self) -> bool:
        return self.done or (len(self._finished) >= self._choices and not self._open)

    @property
    @override
    def has_final_usage(self) -> bool:
        return self._is_usage_final

    @property
    @override
    def final(self) -> bytes:
        return self._writer.final

    @override
    def failed(self, body: bytes) -> bytes:
        return self._writer.failed(body)

    @override
    def set_target(self, model: str, secrets: tuple[str, ...]) -> None:
        self._produced.model = model

    @override
    def feed(self, block: bytes) -> bytes:
        return self.take(self._reader.feed(block))

    @override
    def resume(self, event: ParsedEvent) -> bytes:
        raise NotImplementedError("a translated stream has no events that another process parses")

    @override
    def end(self) -> bytes:
        out = self.take(self._reader.close())
        if self.is_finished and not self.done and self.failure is None:
            out += self.take([Ended()])
        return out

    def take(self, events: Iterable[Event]) -> bytes:
        """Return the client's bytes for events of the reader. Raises MalformedStream."""
        out: list[bytes] = []
        try:
            for number, event in enumerate(events):
                if number >= MOST_EVENTS:
                    raise MalformedStream(f"more than {MOST_EVENTS} parts at once")
                if self.done and isinstance(event, UsageReported):
                    self._note(event)  # some servers report it after the end
                for each in self._sequence.take(event):
                    self._note(each)
                    if self._custom is None:
                        out.append(self._writer.write(each))
                    else:
                        out += [self._writer.write(one) for one in self._custom.take(each)]
        except TooManyBlocks as error:
            raise MalformedStream("more blocks open at once than can be kept") from error
        return b"".join(out)

    @override
    def produced(self) -> str:
        return self._produced.text + "".join(self._texts)

    @property
    @override
    def produced_tokens(self) -> int:
        return round(self._produced.tokens)

    def _note(self, event: Event) -> None:
        if isinstance(event, BlockDelta):
            self._add_text(event.text)
        elif isinstance(event, BlockStarted):
            self._open.add(event.choice)
            self.started, self._is_usage_final, self._is_usage_old = True, False, True
            if event.name:
                self._add_text(event.name)
        elif isinstance(event, UsageReported):
            self.usage, self._is_usage_final = event.usage, event.is_final or self.done
            self._is_usage_old = False
        elif isinstance(event, Started):
            self.usage = event.usage
        elif isinstance(event, Finished):
            self.started = True
            self._finished.add(event.choice)
            self._open.discard(event.choice)
        elif isinstance(event, Ended):
            self.done = True
            self._is_usage_final = self.usage is not None and not self._is_usage_old
        elif isinstance(event, Failed):
            self.failure = event.body

    def _add_text(self, text: str) -> None:
        size = len(text)
        self.started, self._is_usage_final, self._is_usage_old = True, False, True
        self.produced_bytes += size if text.isascii() else len(text.encode("utf-8", "replace"))
        self.produced_events += 1
        self._texts.append(text)
        self._chars += size
        if self._chars >= PIECE:
            self._produced.add("".join(self._texts))
            self._texts, self._chars = [], 0
