"""The outline of a large JSON object: the offsets of its members, the amount of content, and whether it is valid JSON.

Nothing is decoded and nothing is built: one scan over the bytes, in slices of 1 to 2 ms. Strict (RFC 8259), so that no
two parsers can read the same body differently. Limits are checked while scanning: a refused body costs no more than its
part up to the limit. Cost: 1 to 3 us a token; 1 ms per MB of base64, 7 ms per MB of text with line ends.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final, NoReturn

from providers.json_scan.grammar import AFTER, ELEMENT, MEMBER, RUN, decoded, names_in
from providers.json_scan.limits import Limits, NotJson, OverLimit
from providers.json_scan.texts import MOST_RUN, Texts, check

LARGE: Final = 256 * 1024  # bytes; a body up to this size is decoded at once, without an outline,
BUSY: Final = 8_192  # if it has no more opening brackets than this
SLICE: Final = 512  # units of work between two yields; a unit is a token or a kB of text: 0.3 to 3 us

_FEATURE_NAMES = frozenset({"image_url", "input_audio", "json_schema"})
_QUOTE, _LIST, _OBJECT = b'"[{'
_NUMBER_OR_WORD = frozenset(b"-0123456789tfn")
_TOP = 1  # the number of open lists and objects there

Span = tuple[int, int]


def is_large(raw: bytes) -> bool:
    """Whether decoding takes too long for an event loop."""
    size = len(raw)
    return size > LARGE or (size > BUSY and raw.count(b"{") + raw.count(b"[") > BUSY)


class Outline:
    """The result of the scan. `members` has the last value of each top-level name, in the order of first occurrence;
    `names` and `ends` cover every top-level member, including duplicates.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.start, self.has_escapes = 0, False  # after the first bracket; in a top-level name
        self.members: dict[str, Span] = {}
        self.names: list[str] = []
        self.ends: list[int] = []
        self.counts: dict[str, int] = {}  # elements of the limited top-level lists
        self.feature_counts: dict[str, int] = {}  # occurrences of names that indicate what a call needs
        self.media_bytes = 0  # in long strings without a space: images and audio

    @property
    def is_plain(self) -> bool:
        """Whether each top-level name is unique and without escapes."""
        return not self.has_escapes and len(self.names) == len(self.members)

    @property
    def prompt_tokens(self) -> int:
        """A cheap estimate: four bytes per token, without images and audio."""
        return max(1, (self.size - self.media_bytes) // 4)


def outlining(raw: bytes, limits: Limits) -> Generator[None, None, Outline]:
    """Scan; yields after each slice and returns the outline. Raises OverLimit, NotJson."""
    scan = _Scan(raw, limits)
    yield from scan.run()
    return scan.outline


def outline_of(raw: bytes, limits: Limits) -> Outline:
    """Do the same without yielding, for small bodies. Raises OverLimit, NotJson."""
    steps = outlining(raw, limits)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            found: Outline = done.value
            return found


class _Frame:
    """An open list or object. `limit` bounds its elements; `limit_name` is its name."""

    __slots__ = ("count", "is_object", "limit", "limit_name", "name", "start")

    def __init__(self, start: int, *, is_object: bool, limit: int, limit_name: str) -> None:
        self.start, self.is_object, self.limit, self.limit_name = start, is_object, limit, limit_name
        self.count, self.name = 0, b""


class _Scan:
    def __init__(self, raw: bytes, limits: Limits) -> None:
        self._raw, self._limits = raw, limits
        self._texts = Texts(raw)
        self._stack: list[_Frame] = []
        self._pos = self._values = self._tokens = self._loose = self._done = 0
        self._top = ""  # the current top-level member
        self.outline = Outline(len(raw))

    def run(self) -> Generator[None, None, None]:
        raw, texts = self._raw, self._texts
        yield from texts.check_utf8()
        start = self._white(0)
        if raw[start : start + 1] != b"{":
            raise NotJson("the body must be an object")
        self._open(start, is_object=True)
        self.outline.start = self._pos
        while self._stack:
            if self._tokens + texts.work - self._done >= SLICE:
                self._done = self._tokens + texts.work
                yield
            self._tokens += 1
            start = self._member() if self._stack[-1].is_object else self._element()
            if start:
                end = yield from texts.skip(start)
                if self._ends_with(start, end):
                    self._pop()
        if self._white(self._pos) < len(raw):
            raise NotJson(f"something follows the object at byte {self._pos:,}")
        self.outline.media_bytes = texts.media_bytes

    def _member(self) -> int:
        """Scan one member; return the offset of its value if that is a long string, else 0."""
        frame, raw = self._stack[-1], self._raw
        found = MEMBER.match(raw, self._pos, self._pos + MOST_RUN)
        if found is None:
            self._close_empty(frame, b"}")
            return 0
        frame.name = found[1]
        if len(self._stack) == _TOP:
            self._top = decoded(frame.name)
            self.outline.has_escapes = self.outline.has_escapes or b"\\" in frame.name
        self._count(2, names=1)
        if b"_" in frame.name or b"\\" in frame.name:
            self._count_features(decoded(frame.name))
        start = found.start(2) if found[3] is not None else found.end()
        if found[3] is None or (raw[start] == _LIST and self._limit_here()[0]):
            return self._long(start)
        self._count_value(frame, start, found.end(2))
        self._pos = found.end()
        if found[3] == b"}":
            self._pop()
        return 0

    def _element(self) -> int:
        """Scan one element, or a run of numbers; return its offset if it is a long string, else 0."""
        frame, raw = self._stack[-1], self._raw
        found = ELEMENT.match(raw, self._pos, self._pos + MOST_RUN)
        assert found is not None  # noqa: S101 - it may be empty
        if found[2] is None:
            start = found.end()
            if raw[start : start + 1] == b"]":
                self._close_empty(frame, b"]")
                return 0
            self._count(1)
            return self._long(start)
        start = found.start(1)
        if raw[start] in _NUMBER_OR_WORD:
            self._scan_run(frame, start)
            return 0
        self._count(1)
        self._count_value(frame, start, found.end(1))
        self._pos = found.end()
        if found[2] == b"]":
            self._pop()
        return 0

    def _count_value(self, frame: _Frame, start: int, end: int) -> None:
        """Count a value that was matched as a whole, with its content."""
        raw = self._raw
        if raw[start] in {_LIST, _OBJECT}:
            if len(self._stack) >= self._limits.nesting:
                raise OverLimit("nesting", self._limits.nesting)
            names = raw.count(b'":', start, end)
            self._count(names + raw.count(b'"', start, end) // 2, names=names)
            self._tokens += (end - start) // 128
            if names and (raw.find(b"_", start, end) > 0 or raw.find(b"\\", start, end) > 0):
                self._count_features(*names_in(raw[start:end]))
        self._ended(frame, start, end)

    def _count_features(self, *names: str) -> None:
        for name in names:
            if name in _FEATURE_NAMES:
                self.outline.feature_counts[name] = self.outline.feature_counts.get(name, 0) + 1

    def _scan_run(self, frame: _Frame, start: int) -> None:
        """Scan numbers and literals in bulk: to the end of the list, or to the last comma within MOST_RUN."""
        raw = self._raw
        run = RUN.match(raw, start, start + MOST_RUN)
        assert run is not None  # noqa: S101 - it may be empty
        end = run.end()
        is_whole = raw[end : end + 1] == b"]"
        if not is_whole:
            end = raw.rfind(b",", start, end)  # one follows the first element
        count = raw.count(b",", start, end) + 1
        self._count(-(-count // self._limits.runs))
        self._add(frame, count)
        check(b"[" + raw[start:end] + b"]")
        self._tokens += (end - start) // 64
        self._pos = end + 1
        if is_whole:
            self._pop()

    def _long(self, start: int) -> int:
        """Open a nested value; return the offset of a string, 0 for a list or an object."""
        first = self._raw[start] if start < len(self._raw) else 0
        if first == _QUOTE:
            return start
        if first not in {_LIST, _OBJECT}:
            self._malformed(start)
        self._open(start, is_object=first == _OBJECT)
        return 0

    def _limit_here(self) -> tuple[int, str]:
        """Return the limit of elements for a list as the current member's value, and the name of that limit."""
        limits, depth = self._limits, len(self._stack)
        if depth == _TOP:
            if self._top == "messages":
                return limits.messages, "messages"
            return (limits.inputs, "inputs") if self._top == "input" else (0, "")
        name = self._stack[-1].name
        is_content = name == b'"content"' or (b"\\" in name and decoded(name) == "content")
        return (limits.parts, "parts") if is_content else (0, "")

    def _open(self, start: int, *, is_object: bool) -> None:
        if len(self._stack) >= self._limits.nesting:
            raise OverLimit("nesting", self._limits.nesting)
        is_limited = not is_object and self._stack[-1].is_object
        most, what = self._limit_here() if is_limited else (0, "")
        self._stack.append(_Frame(start, is_object=is_object, limit=most, limit_name=what))
        self._pos = start + 1

    def _close_empty(self, frame: _Frame, bracket: bytes) -> None:
        found = AFTER.match(self._raw, self._pos, self._pos + MOST_RUN)
        if frame.count or found is None or found[1] != bracket:
            self._malformed(self._pos)
        self._pos = found.end()
        self._pop()

    def _pop(self) -> None:
        """Close the top frame, which ended before `_pos`: a value of the frame below, which may end there, too."""
        is_over = True
        while is_over:
            frame = self._stack.pop()
            if len(self._stack) == _TOP and frame.limit_name:
                self.outline.counts[self._top] = frame.count
            is_over = bool(self._stack) and self._ends_with(frame.start, self._pos)

    def _ends_with(self, start: int, end: int) -> bool:
        """Count a long value that has ended; return whether its container ends, too."""
        frame = self._stack[-1]
        self._ended(frame, start, end)
        found = AFTER.match(self._raw, end, end + MOST_RUN)
        if found is None or (found[1] != b"," and (found[1] == b"}") != frame.is_object):
            self._malformed(end)
        self._pos = found.end()
        return found[1] != b","

    def _ended(self, frame: _Frame, start: int, end: int) -> None:
        self._add(frame, 1)
        if len(self._stack) == _TOP:
            self.outline.members[self._top] = (start, end)
            self.outline.names.append(self._top)
            self.outline.ends.append(end)

    def _add(self, frame: _Frame, count: int) -> None:
        frame.count += count
        if frame.limit and frame.count > frame.limit:
            raise OverLimit(frame.limit_name, frame.limit)

    def _count(self, values: int, names: int = 0) -> None:
        if names and self._top not in self._limits.bulk:
            self._loose += names
            if self._loose > self._limits.members:
                raise OverLimit("members", self._limits.members)
        self._values += values
        if self._values > self._limits.values:
            raise OverLimit("values", self._limits.values)

    def _white(self, start: int) -> int:
        piece = self._raw[start : start + MOST_RUN]
        return start + len(piece) - len(piece.lstrip(b" \t\r\n"))

    def _malformed(self, at: int) -> NoReturn:
        piece = self._raw[at : at + MOST_RUN]
        if len(piece) == MOST_RUN and not piece.strip(b" \t\r\n"):
            raise NotJson(f"more than {MOST_RUN:,} bytes of white space at byte {at:,}")
        if len(piece) == MOST_RUN and not piece.strip(b" \t\r\n-+.eE0123456789"):
            raise NotJson(f"a number of more than {MOST_RUN:,} digits at byte {at:,}")
        raise NotJson(f"malformed at byte {at:,}")
