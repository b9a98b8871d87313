"""The offsets of the members and elements of JSON, to pass them on in their encoded form. Pure.

Nothing is decoded or recursive: numbers may have any length, strings half a surrogate pair, lists any depth. For
documents known to be JSON, or parsed by others afterwards; only the brackets are checked here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from providers.json_scan.limits import MalformedAnswer
from providers.json_scan.shallow import BRACKET

_NAME: Final = re.compile(rb'[\s,]*+("(?:[^"\\]++|\\.)*+")\s*+:\s*+', re.DOTALL)
_NEXT: Final = re.compile(rb"[\s,]*+")
_SINGLE: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[^\s,\[\]{}"]++', re.DOTALL)


def name_of(name: str) -> bytes:
    """Return a name in its encoded form."""
    return b'"%b"' % name.encode("utf-8", "surrogateescape")


def members_of(raw: bytes) -> dict[str, bytes]:
    """Return the members of an object, values in their encoded form. Raises MalformedAnswer."""
    reader = Reader(raw)
    return {name: raw[reader.at : reader.skip()] for name, _, _ in reader.members()}


def elements_of(raw: bytes) -> list[bytes]:
    """Return the elements of a list. Raises MalformedAnswer."""
    reader = Reader(raw)
    return [raw[reader.at : reader.skip()] for _ in reader.elements()]


class Reader:
    """Walks through JSON; for each member or element the caller must read the value or skip it."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0

    @property
    def next(self) -> bytes:
        return self.raw[self.at : self.at + 1]

    def members(self) -> Iterator[tuple[str, int, int]]:
        """Yield the name of each member of an object, its escapes not decoded, with its start and end."""
        self._take(b"{")
        while (found := _NAME.match(self.raw, self.at)) is not None:
            self.at = found.end()
            yield found[1][1:-1].decode("utf-8", "surrogateescape"), found.start(1), found.end(1)
        self._take(b"}")

    def elements(self) -> Iterator[None]:
        """Yield for each element of a list."""
        self._take(b"[")
        while self.raw[self.begin() : self.at + 1] not in {b"]", b""}:
            yield
        self._take(b"]")

    def skip(self) -> int:
        """Move past a value; return that offset."""
        raw, depth = self.raw, 0
        if self.next not in {b"[", b"{"}:
            found = _SINGLE.match(raw, self.at)
            if found is None:
                raise MalformedAnswer(f"malformed at byte {self.at:,}")
            self.at = found.end()
            return self.at
        for bracket in BRACKET.finditer(raw, self.at):
            depth += 1 if bracket[1] in {b"[", b"{"} else -1
            if depth <= 0:
                break
        self.at = bracket.end()
        return self.at

    def begin(self) -> int:
        """Move to the next token; return its offset."""
        found = _NEXT.match(self.raw, self.at)
        assert found is not None  # noqa: S101 - it may be empty
        self.at = found.end()
        return self.at

    def _take(self, bracket: bytes) -> None:
        self.begin()
        if self.next != bracket:
            raise MalformedAnswer(f"malformed at byte {self.at:,}")
        self.at += 1
