"""The progress of an OpenAI chat stream: the output of its choices, their finish reasons, the reported usage."""

from __future__ import annotations

from typing_extensions import override

from providers.dialects.base import Stream
from providers.dialects.lenient.loose import produced_by, sound_in
from providers.dialects.openai.chunks import NOT_ENDED, Choice
from providers.dialects.output_text import PIECE, Produced
from providers.errors.inner_errors import MOST_BODY, body_of, has_failed
from providers.reported_usage.in_stream import ReportedUsage
from providers.usage import Usage


class Progress(Stream):
    """The part of a stream that only counts; stream.py has the parser. `choices` is the number requested."""

    def __init__(self, choices: int) -> None:
        self.started = self.done = False
        self.usage: Usage | None = None
        self.failure: bytes | None = None
        self.produced_events = self.produced_bytes = self.sound_chars = self._chars = 0
        self._has_choice_usage = False  # usage inside a choice
        self._choices = choices
        self._reported = ReportedUsage()
        self._reported_at: tuple[int, ...] = ()  # the progress when the usage was reported
        self._produced = Produced()
        self._texts: list[str] = []
        self._open_choices: set[int] = set()
        self._finished_choices: set[int] = set()

    @property
    @override
    def is_finished(self) -> bool:
        return self.done or (len(self._finished_choices) >= self._choices and not self._open_choices)

    @property
    @override
    def has_final_usage(self) -> bool:
        return self._reported_at == self._position()

    def _position(self) -> tuple[int, ...]:
        return self.produced_events, self.produced_bytes, self.sound_chars, len(self._finished_choices)

    @override
    def produced(self) -> str:
        return self._produced.text + "".join(self._texts)

    @property
    @override
    def produced_tokens(self) -> int:
        return round(self._produced.tokens)

    def _count_choice(self, choice: Choice) -> None:
        delta, text = choice.delta or choice.message, choice.text
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
            self._add_text(text)
        elif delta is not None and (delta.audio is not None or delta.tool_calls):
            self.started = True
        if choice.finish_reason or choice.error:
            self._note_end(choice)
        elif choice.index not in self._finished_choices:
            self._open_choices.add(choice.index)

    def _add_text(self, text: str) -> None:
        """Count a produced text, and keep it to count its tokens."""
        size = len(text)
        self.produced_bytes += size if text.isascii() else len(text.encode("utf-8", "replace"))
        self.produced_events += 1
        self.started = True
        self._texts.append(text)
        self._chars += size
        if self._chars >= PIECE:
            self._produced.add("".join(self._texts))
            self._texts, self._chars = [], 0

    def _note_end(self, choice: Choice) -> None:
        reason = choice.finish_reason
        if choice.error or has_failed(reason):
            self._fail(body_of(choice.error or f"finish_reason: {reason}"))
        elif reason not in NOT_ENDED:
            self.started = True
            self._has_choice_usage = choice.usage is not None
            self._finished_choices.add(choice.index)
            self._open_choices.discard(choice.index)
        elif choice.index not in self._finished_choices:
            self._open_choices.add(choice.index)

    def _fail(self, body: bytes) -> None:
        if self.failure is None:
            self.failure = body if len(body) <= MOST_BODY else body_of("an error of many words")

    def _on_usage(self, is_output: bool) -> None:  # noqa: FBT001 - what ReportedUsage returns
        self.usage = self._reported.usage
        if is_output:
            self._reported_at = self._position()
