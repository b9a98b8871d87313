"""All objects of a PDF by number. The cross-reference table and a search for objects must agree on each of them.

So a reader that follows the table and one that searches, as readers do with broken files, find the same objects. An
object changed by an appended update is there twice, and such a file is rejected.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from providers.media.pdf.streams import Inflater, Stream
from providers.media.pdf.syntax import Reader, Ref, Tick, Unreadable

MOST_OBJECTS: Final = 200_000
MOST_SECTIONS: Final = 16  # of the cross-reference table; each update adds one
_HEAD: Final = re.compile(rb"(?<![0-9])([0-9]{1,8})[\0\t\n\f\r ]++([0-9]{1,5})[\0\t\n\f\r ]++obj")
_START: Final = re.compile(rb"startxref[\r\n ]{1,4}([0-9]{1,10})[\r\n ]{1,4}%%EOF[\r\n ]*+\Z")
_TABLE: Final = re.compile(rb"xref[\r\n ]++")
_RANGE: Final = re.compile(rb"([0-9]{1,8}) ([0-9]{1,8}) ?(?:\r\n|\n|\r)")
_ENTRY: Final = re.compile(rb"([0-9]{10}) ([0-9]{5}) ([nf])(?: \r| \n|\r\n)")
_TRAILER: Final = re.compile(rb"[\r\n ]*+trailer")
_STREAM: Final = re.compile(rb"[\r\n ]*+stream(?:\r\n|\n)")
_END_STREAM: Final = re.compile(rb"[\r\n ]*+endstream[\r\n ]*+endobj")
_END: Final = re.compile(rb"[\0\t\n\f\r ]*+endobj")
_TAIL: Final = 1_024
_IN_FILE, _IN_STREAM = 1, 2

Entry = tuple[int, int]  # offset in the file, and 0; or number of the object stream, and 1 + the index in it


class File:
    """`objects` are values and Streams by number; `trailers` are the trailer dictionaries of the table's sections.

    `tick` is called regularly, and may raise.
    """

    def __init__(self, data: bytes, tick: Tick) -> None:
        """Raises Unreadable."""
        if not data.startswith(b"%PDF-1.") and not data.startswith(b"%PDF-2."):
            raise Unreadable("no PDF")
        self._data, self.tick, self.inflater = data, tick, Inflater()
        self.objects: dict[int, Any] = {}
        self.trailers: list[dict[bytes, Any]] = []
        self._entries: dict[int, Entry] = {}
        self._tables: set[int] = set()  # offsets of the streams that are a section of the table
        self._read_sections()
        if any(b"Encrypt" in trailer for trailer in self.trailers):
            raise Unreadable("it is encrypted")
        self._check_heads()
        for number, (at, place) in self._entries.items():
            if not place:
                self.objects[number] = self._object(at)
        self._unpack()
        if any(isinstance(value, Ref) for value in self.objects.values()):
            raise Unreadable("an object under two numbers")

    def get(self, value: Any) -> Any:
        """Return the target of a reference, or the value itself. Raises Unreadable."""
        for _ in range(8):
            if not isinstance(value, Ref):
                return value
            value = self.objects.get(value.number)
        raise Unreadable("references that lead to each other")

    def dicts(self) -> Iterator[dict[bytes, Any]]:
        """Yield every dictionary, including those of streams and nested ones."""
        waiting = [value.info if isinstance(value, Stream) else value for value in self.objects.values()]
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                self.tick()
                yield value
                waiting += [item for item in value.values() if isinstance(item, dict | list)]
            elif isinstance(value, list):
                waiting += [item for item in value if isinstance(item, dict | list)]

    def _read_sections(self) -> None:
        start = _START.search(self._data, max(0, len(self._data) - _TAIL))
        if start is None:
            raise Unreadable("no end")
        waiting, seen = [int(start[1])], set[int]()
        while waiting:
            at = waiting.pop()
            if at in seen or len(seen) >= MOST_SECTIONS:
                raise Unreadable("a table that leads in circles")
            seen.add(at)
            trailer = self._table(at) if _TABLE.match(self._data, at) else self._table_stream(at)
            self.trailers.append(trailer)
            for name in (b"Prev", b"XRefStm"):
                if name in trailer:
                    if type(trailer[name]) is not int:
                        raise Unreadable("a table that is nowhere")
                    waiting.append(trailer[name])

    def _table(self, at: int) -> dict[bytes, Any]:
        head = _TABLE.match(self._data, at)
        at = head.end() if head is not None else at
        while found := _RANGE.match(self._data, at):
            first, count = int(found[1]), int(found[2])
            at = found.end()
            for number in range(first, first + min(count, MOST_OBJECTS + 1)):
                entry = _ENTRY.match(self._data, at)
                if entry is None:
                    raise Unreadable("a table with other entries")
                at = entry.end()
                if entry[3] == b"n":
                    self._enter(number, (int(entry[1]), 0))
        trailer = _TRAILER.match(self._data, at)
        return self._dict(Reader(self._data, trailer.end(), self.tick)) if trailer is not None else _no_dict()

    def _table_stream(self, at: int) -> dict[bytes, Any]:
        self._tables.add(at)
        stream = self._object(at)
        if not isinstance(stream, Stream) or stream.info.get(b"Type") != b"XRef":
            raise Unreadable("a table that is none")
        widths = _sizes(stream.info.get(b"W"))
        ranges = _sizes(stream.info.get(b"Index", [0, stream.info.get(b"Size")]))
        if len(widths) != 3 or len(ranges) % 2:  # noqa: PLR2004 - kind, offset or stream, and index
            raise Unreadable("a table of another shape")
        data, width, place = self.inflater.bytes_of(stream), sum(widths), 0
        ends = (widths[0], widths[0] + widths[1], width)
        for first, count in zip(ranges[::2], ranges[1::2], strict=True):
            for number in range(first, first + min(count, MOST_OBJECTS + 1)):
                row = data[place : place + width]
                place += width
                if len(row) != width or not width:
                    raise Unreadable("a table that is cut short")
                kind = int.from_bytes(row[: ends[0]]) if ends[0] else _IN_FILE
                where, last = int.from_bytes(row[ends[0] : ends[1]]), int.from_bytes(row[ends[1] :])
                if kind in {_IN_FILE, _IN_STREAM}:
                    self._enter(number, (where, 0 if kind == _IN_FILE else 1 + last))
        return stream.info

    def _enter(self, number: int, entry: Entry) -> None:
        self.tick()
        if self._entries.setdefault(number, entry) != entry:
            raise Unreadable("an object that was changed")
        if len(self._entries) > MOST_OBJECTS:
            raise Unreadable("too many objects")

    def _check_heads(self) -> None:
        """Check that every object is at its offset in the table, and that there is no other."""
        heads = {found.start(): int(found[1]) for found in _HEAD.finditer(self._data)}
        listed = {at: number for number, (at, place) in self._entries.items() if not place}
        for at in self._tables - listed.keys():  # a table need not list itself
            listed[at] = heads.get(at, -1)
        if heads != listed or len(set(heads.values())) != len(heads):
            raise Unreadable("objects that the table does not tell of")

    def _object(self, at: int) -> Any:
        head = _HEAD.match(self._data, at)
        if head is None:
            raise Unreadable("an object that is not there")
        reader = Reader(self._data, head.end(), self.tick)
        value = reader.value()
        if _END.match(self._data, reader.at):
            return value
        start = _STREAM.match(self._data, reader.at)
        if start is None or not isinstance(value, dict):
            raise Unreadable("an object without an end")
        end = start.end() + self._length(value.get(b"Length"))
        if not _END_STREAM.match(self._data, end):
            raise Unreadable("a stream of another length")
        return Stream(value, self._data[start.end() : end])

    def _length(self, length: Any) -> int:
        if isinstance(length, Ref):
            at, place = self._entries.get(length.number, (-1, 1))
            head = _HEAD.match(self._data, at) if not place else None
            length = Reader(self._data, head.end(), self.tick).value() if head is not None else None
        if type(length) is not int or length < 0:
            raise Unreadable("a stream without a length")
        return length

    def _unpack(self) -> None:
        """Extract the objects from the object streams."""
        inside = {number: entry for number, entry in self._entries.items() if entry[1]}
        found = 0
        for number, stream in list(self.objects.items()):
            if isinstance(stream, Stream) and stream.info.get(b"Type") == b"ObjStm":
                for place, (name, value) in enumerate(self._packed(stream)):
                    if inside.get(name) != (number, 1 + place):
                        raise Unreadable("a stream of objects that the table does not tell of")
                    self.objects[name] = value
                    found += 1
        if found != len(inside):
            raise Unreadable("objects that are not there")

    def _packed(self, stream: Stream) -> Iterator[tuple[int, Any]]:
        count, first = _sizes([stream.info.get(b"N"), stream.info.get(b"First")])
        data = self.inflater.bytes_of(stream)
        numbers = data[:first].split()
        if len(numbers) != 2 * count or not all(each.isdigit() for each in numbers):
            raise Unreadable("a stream of objects of another shape")
        for number, at in zip(numbers[::2], numbers[1::2], strict=True):
            yield int(number[:9]), Reader(data, first + int(at[:9]), self.tick).value()

    def _dict(self, reader: Reader) -> dict[bytes, Any]:
        value = reader.value()
        return value if isinstance(value, dict) else _no_dict()


def _no_dict() -> dict[bytes, Any]:
    raise Unreadable("no dictionary where one has to be")


def _sizes(values: Any) -> list[int]:
    if isinstance(values, list) and all(type(value) is int and 0 <= value < 1 << 31 for value in values):
        return values
    raise Unreadable("a table or stream of another shape")
