"""Puts the events of a reader into the one order that writers rely on. Pure; one per response.

Blocks of a choice come one after the other: a block that begins while another is open waits until that one has ended.
Empty text is no block. A choice that called a tool finished for that reason, whatever its provider says.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from providers.conversation.events import (
    Annotated,
    BlockDelta,
    BlockEnded,
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

MOST_WAITING: Final = 100_000  # events of blocks that wait for their turn
_OfBlock = BlockStarted | BlockDelta | Annotated | BlockEnded


class TooManyBlocks(Exception):
    """A provider has more blocks open at once than can be kept."""


class Sequence:
    """`take` returns what a reader's event becomes: none, one or several events."""

    __slots__ = ("_choices", "_has_begun", "is_over")

    def __init__(self) -> None:
        self._has_begun = self.is_over = False
        self._choices: dict[int, _Choice] = {}

    def take(self, event: Event) -> list[Event]:
        """Raises TooManyBlocks."""
        if self.is_over:
            return []
        if isinstance(event, BlockDelta) and event.choice in self._choices:  # most events
            return self._choices[event.choice].take(event)
        return self._take(event)

    def _take(self, event: Event) -> list[Event]:
        if isinstance(event, Started):
            return [] if self._has_begun else self._begun(event)
        if isinstance(event, Ping | Failed):
            self.is_over = isinstance(event, Failed)
            return [event]
        before = [] if self._has_begun else self._begun(Started())
        if isinstance(event, UsageReported):
            return [*before, event]
        if isinstance(event, Ended):
            self.is_over = True
            return [
                *before,
                *[each for choice in self._choices.values() for each in choice.end_blocks()],
                event,
            ]
        choice = self._choices.get(event.choice)
        if choice is None:
            choice = self._choices[event.choice] = _Choice()
        return [*before, *(choice.finish(event) if isinstance(event, Finished) else choice.take(event))]

    def _begun(self, event: Started) -> list[Event]:
        self._has_begun = True
        return [event]


class _Choice:
    """The blocks of one choice. `_current` is the provider's number of the open block; other blocks wait."""

    __slots__ = (
        "_count",
        "_current",
        "_has_calls",
        "_is_finished",
        "_is_shown",
        "_pending",
        "_waiting",
        "_waits",
    )

    def __init__(self) -> None:
        self._current: int | None = None
        self._count = self._waits = 0  # blocks that were shown; events that wait
        self._has_calls = self._is_finished = self._is_shown = False
        self._pending: BlockStarted | None = None  # the open block, until it has content
        self._waiting: dict[int, deque[_OfBlock]] = {}

    def take(self, event: _OfBlock) -> list[Event]:
        if self._is_finished:
            return []
        out = self._take(event)
        if self._waiting:
            self._add_waiting(out)
        return out

    def _add_waiting(self, out: list[Event]) -> None:
        """Add the blocks that waited, until one of them is open."""
        while self._current is None and self._waiting:
            events = self._waiting.pop(next(iter(self._waiting)))
            self._waits -= len(events)
            for each in events:
                out += self._take(each)

    def _take(self, event: _OfBlock) -> list[Event]:
        if self._current is None and isinstance(event, BlockStarted):
            return self._open(event)
        if event.block == self._current:
            return self._of_current(event)
        if self._current is None:
            return []  # of a block that never began, or has ended
        self._waits += 1
        if self._waits > MOST_WAITING:
            raise TooManyBlocks
        if event.block in self._waiting or isinstance(event, BlockStarted):
            self._waiting.setdefault(event.block, deque()).append(event)
        return []

    def finish(self, event: Finished) -> list[Event]:
        if self._is_finished:
            return []
        out = self.end_blocks()
        self._is_finished = True
        reason = (
            FinishReason.TOOL_CALLS if self._has_calls and event.reason is FinishReason.STOP else event.reason
        )
        return [*out, event if reason is event.reason else msgspec.structs.replace(event, reason=reason)]

    def end_blocks(self) -> list[Event]:
        """End the open block, and give out the blocks that wait."""
        out: list[Event] = []
        while self._current is not None:
            out += self._end(BlockEnded(self._current))
            self._add_waiting(out)
        return out

    def _of_current(self, event: _OfBlock) -> list[Event]:
        if isinstance(event, BlockStarted):
            return []
        if isinstance(event, BlockEnded):
            return self._end(event)
        if isinstance(event, BlockDelta) and not event.text and event.logprobs is None:
            return []
        shown = [] if self._is_shown else self._shown()
        number = self._count - 1
        shown.append(event if event.block == number else msgspec.structs.replace(event, block=number))
        return shown

    def _open(self, event: BlockStarted) -> list[Event]:
        self._current, self._pending, self._is_shown = event.block, event, False
        if event.kind == "tool":
            self._has_calls = True
            return self._shown()
        return []

    def _shown(self) -> list[Event]:
        """Return the start of the open block, once."""
        if self._is_shown or self._pending is None:
            return []
        self._is_shown = True
        self._count += 1
        return [msgspec.structs.replace(self._pending, block=self._count - 1)]

    def _end(self, event: BlockEnded) -> list[Event]:
        out = self._shown() if event.signature or event.redacted else []
        if self._is_shown:
            out.append(msgspec.structs.replace(event, block=self._count - 1))
        self._current = self._pending = None
        return out
