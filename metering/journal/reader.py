"""Reads a journal in order, of this process or an ended one, and yields the calls that ended. 5 us a call.

The files are the only queue between serving and the ledger: memory holds the running calls, never a backlog.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from metering.journal.frames import Gap, scan
from metering.journal.records import Answered, Close, Mark, Open, Record, Void
from metering.journal.segments import Position

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metering.journal.segments import Directory


class Call(NamedTuple):
    """A call that ended: its OPEN and its CLOSE."""

    open: Open
    close: Close


class OpenCall(NamedTuple):
    """A call without an end so far, the segment of its OPEN, what it had produced at its last mark, its response."""

    record: Open
    segment: int
    mark: Mark | None = None
    answered: Answered | None = None

    @property
    def output_tokens(self) -> int:
        return self.mark.output_tokens if self.mark is not None else 0

    @property
    def progress(self) -> tuple[Record, ...]:
        """The records that must be written again with its OPEN."""
        return tuple([each for each in (self.mark, self.answered) if each is not None])


class Corruption(NamedTuple):
    segment: int
    gap: Gap


class JournalReader:
    """Used by one thread. Skips the calls that are in the ledger according to the cursor."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._shipped = directory.cursor()
        self._frames: Iterator[tuple[Record | Gap, int]] = iter(())
        self._base = 0  # where in the segment the loaded frames begin
        self.position = Position(min(directory.segments(), default=1), 0)
        self.running: dict[str, OpenCall] = {}  # oldest OPEN first
        self.damages: list[Corruption] = []
        self.lost_ids: list[str] = []  # their CLOSE was read, but their OPEN is damaged

    @property
    def oldest_segment(self) -> int:
        """The first segment that is still needed."""
        for call in self.running.values():
            return min(call.segment, self.position.segment)
        return self.position.segment

    def end(self) -> Position:
        """Return the position where the files end now."""
        numbers = self._directory.segments()
        if not numbers:
            return self.position
        return Position(numbers[-1], self._directory.segment(numbers[-1]).stat().st_size)

    def read(self, until: Position, limit: int) -> list[Call]:
        """Return at most `limit` calls that ended before `until`; only whole frames may be before it."""
        calls: list[Call] = []
        while len(calls) < limit:
            step = next(self._frames, None)
            if step is None:
                if not self._advance(until):
                    break
                continue
            found, end = step
            self.position = Position(self.position.segment, self._base + end)
            if isinstance(found, Gap):
                self.damages.append(Corruption(self.position.segment, found))
            elif (call := self._note(found)) is not None:
                calls.append(call)
        return calls

    def _note(self, record: Record) -> Call | None:
        match record:
            case Open():
                marked = self.running.pop(record.id, None)  # again: carried over from an old segment
                mark, answered = (marked.mark, marked.answered) if marked is not None else (None, None)
                self.running[record.id] = OpenCall(record, self.position.segment, mark, answered)
            case Mark():
                if (call := self.running.get(record.id)) is not None:
                    self.running[record.id] = call._replace(mark=record)
            case Answered():
                if (call := self.running.get(record.id)) is not None:
                    self.running[record.id] = call._replace(answered=record)
            case Void():
                self.running.pop(record.id, None)
            case Close():
                return self._ended(record)
        return None

    def _ended(self, record: Close) -> Call | None:
        call = self.running.pop(record.id, None)
        if self.position <= self._shipped:
            return None
        if call is None:
            if any(not damage.gap.torn for damage in self.damages):
                self.lost_ids.append(record.id)
            return None  # without damage: a second copy, or its OPEN was removed with a shipped segment
        return Call(call.record, record)

    def _advance(self, until: Position) -> bool:
        """Load the next frames, of this segment or the following one; False if there are none yet."""
        segment, offset = self.position
        if segment > until.segment:
            return False
        path = self._directory.segment(segment)
        size = path.stat().st_size if path.exists() else 0
        limit = min(size, until.offset) if segment == until.segment else size
        if offset < limit:
            with path.open("rb") as file:
                file.seek(offset)
                data = file.read(limit - offset)
            self._frames, self._base = scan(data), offset
            return True
        if segment == until.segment:
            return False
        following = [number for number in self._directory.segments() if number > segment]
        if not following:
            return False
        self.position = Position(following[0], 0)
        return True
