"""Parses PDF objects (ISO 32000-1, 7.2 and 7.3) from bytes. What two readers might read differently is an error."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

MOST_DEPTH: Final = 40
_WHITE: Final = rb"\0\t\n\f\r "
_TOKEN: Final = re.compile(
    rb"[" + _WHITE + rb"]*+(?:(<<)|(>>)|(\[)|(\])|/([^" + _WHITE + rb"()<>\[\]{}/%]*+)"
    rb"|([+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++))(?![^" + _WHITE + rb"()<>\[\]{}/%])|(\()"
    rb"|<([0-9A-Fa-f" + _WHITE + rb"]*+)>|(true|false|null|R)(?![^" + _WHITE + rb"()<>\[\]{}/%]))"
)
_DICT, _END_OF_DICT, _LIST, _END_OF_LIST, _NAME, _NUMBER, _STRING, _HEX = range(1, 9)  # its groups
_INSIDE: Final = re.compile(rb"\\.|[()]", re.DOTALL)
_ESCAPE: Final = re.compile(rb"\\(?:([0-7]{1,3})|\r\n?|\n|(.))", re.DOTALL)
_HASH: Final = re.compile(rb"#([0-9A-Fa-f]{2})")
_REF: Final = "R"
_WORDS: Final[dict[bytes, Any]] = {b"true": True, b"false": False, b"null": None, b"R": _REF}

Tick = Callable[[], None]


class Unreadable(Exception):
    """The file is broken, or not plain enough for a reliable bound."""


class Name(bytes):
    """A name, without its slash."""

    __slots__ = ()


class Text(bytes):
    """A string's bytes."""

    __slots__ = ()


class Ref(NamedTuple):
    """A reference to an object elsewhere in the file."""

    number: int
    generation: int


class _End(NamedTuple):
    mark: bytes


class Reader:
    """Parses one object after another from `at` on."""

    def __init__(self, data: bytes, at: int, tick: Tick) -> None:
        self.data, self.at, self._tick = data, at, tick

    def value(self, depth: int = 0) -> Any:
        """Return dict, list, Name, Text, Ref, a number, a truth value or None. Raises Unreadable."""
        found = self._item(depth)
        if isinstance(found, _End) or found is _REF:
            raise Unreadable("a bracket without its other half")
        return self._ref(found) if type(found) is int and depth == 0 else found

    def _ref(self, number: int) -> Any:
        """Return a top-level object that is a reference; a number followed by anything else is a plain number."""
        before = self.at
        try:
            generation, mark = self._item(0), self._item(0)
        except Unreadable:
            generation = mark = None
        if mark is _REF and type(generation) is int:
            return Ref(number, generation)
        self.at = before
        return number

    def _item(self, depth: int) -> Any:
        found = _TOKEN.match(self.data, self.at)
        if found is None or depth > MOST_DEPTH:
            raise Unreadable("no object")
        self._tick()
        self.at = found.end()
        kind = found.lastindex
        if kind == _DICT:
            return self._dict(depth)
        if kind in {_END_OF_DICT, _END_OF_LIST}:
            return _End(found[kind])
        if kind == _LIST:
            return self._several(b"]", depth)
        return self._text() if kind == _STRING else _plain(found)

    def _text(self) -> Text:
        end = end_of_text(self.data, self.at)
        text = self.data[self.at : end - 1]
        self.at = end
        return Text(unescaped(text))

    def _several(self, mark: bytes, depth: int) -> list[Any]:
        several: list[Any] = []
        while True:
            found = self._item(depth + 1)
            if isinstance(found, _End):
                if found.mark != mark:
                    raise Unreadable("brackets that do not match")
                return several
            if found is not _REF:
                several.append(found)
            elif len(several) > 1 and type(several[-1]) is type(several[-2]) is int:
                generation, number = several.pop(), several.pop()
                several.append(Ref(number, generation))
            else:
                raise Unreadable("a reference to nothing")

    def _dict(self, depth: int) -> dict[bytes, Any]:
        several = self._several(b">>", depth)
        keys = several[::2]
        if len(several) % 2 or not all(isinstance(key, Name) for key in keys) or len(set(keys)) != len(keys):
            raise Unreadable("a dictionary with a key too much")
        return dict(zip(keys, several[1::2], strict=True))


def _plain(found: re.Match[bytes]) -> Any:
    """Return the value of a token that is complete in itself."""
    kind = found.lastindex
    if kind == _NAME:
        return Name(name_of(found[5]))
    if kind == _NUMBER:
        return float(found[6]) if b"." in found[6] else int(found[6][:20])
    return Text(hex_bytes(found[8])) if kind == _HEX else _WORDS[found[9]]


def name_of(written: bytes) -> bytes:
    return _HASH.sub(lambda code: bytes([int(code[1], 16)]), written) if b"#" in written else written


def end_of_text(data: bytes, at: int) -> int:
    """Return the end of a string that was opened before `at`. Raises Unreadable."""
    depth = 1
    for found in _INSIDE.finditer(data, at):
        if found[0] == b"(":
            depth += 1
        elif found[0] == b")":
            depth -= 1
            if not depth:
                return found.end()
    raise Unreadable("a string without an end")


def unescaped(text: bytes) -> bytes:
    return _ESCAPE.sub(_meant, text) if b"\\" in text else text


def hex_bytes(digits: bytes) -> bytes:
    """Raises Unreadable."""
    plain = digits.translate(None, b"\0\t\n\f\r ")
    try:
        return bytes.fromhex((plain + b"0" * (len(plain) % 2)).decode())
    except ValueError:
        raise Unreadable("digits that are none") from None


def _meant(escape: re.Match[bytes]) -> bytes:
    if escape[1]:
        return bytes([int(escape[1], 8) & 0xFF])
    kept = escape[2] or b""
    return kept.translate(bytes.maketrans(b"nrtbf", b"\n\r\t\b\f"))
