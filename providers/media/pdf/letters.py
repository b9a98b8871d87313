"""How many bytes of text one code of a font can become at most, as far as a file's own fonts say so.

Codes are looked at by their last byte, and all fonts of a file together: what one of them makes long is taken to be
long in all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from providers.media.pdf.file import File
from providers.media.pdf.streams import Stream
from providers.media.pdf.syntax import Name, Unreadable, hex_bytes

LEAST: Final = 3  # of one character, in UTF-8
_HEX: Final = rb"<([0-9A-Fa-f\s]*+)>"
_ANY_HEX: Final = re.compile(rb"<([^<>]*+)>")
_BEGIN: Final = re.compile(rb"beginbf(?:char|range)")
_CHARS: Final = re.compile(rb"beginbfchar\s++((?:<[0-9A-Fa-f\s]*+>\s*+)*+)endbfchar")
_RANGES: Final = re.compile(rb"beginbfrange\s++([<>\[\]0-9A-Fa-f\s]*)endbfrange")
_RANGE: Final = re.compile(
    rb"\s*+" + _HEX + rb"\s*+" + _HEX + rb"\s*+(?:\[([<>0-9A-Fa-f\s]*+)\]|" + _HEX + rb")"
)


def weights_of(file: File) -> list[int]:
    """Return the most bytes of UTF-8 by a code's last byte. Raises Unreadable."""
    weights = [LEAST] * 256
    for info in file.dicts():
        if b"ToUnicode" in info:
            _take_map(file, info[b"ToUnicode"], weights)
        if b"Differences" in info:
            _take_names(file.get(info[b"Differences"]), weights)
    return weights


def _take_map(file: File, value: Any, weights: list[int]) -> None:
    value = file.get(value)
    if isinstance(value, Name):  # one that everybody has: a character for a code
        return
    if not isinstance(value, Stream):
        raise Unreadable("a map that is none")
    if b"UseCMap" in value.info:
        _take_map(file, value.info[b"UseCMap"], weights)
    data = file.inflater.bytes_of(value)
    chars, ranges = _CHARS.findall(data), _RANGES.findall(data)
    if len(chars) + len(ranges) != len(_BEGIN.findall(data)) or b"usecmap" in data:
        raise Unreadable("a map of another shape")
    for section in chars:
        words = _ANY_HEX.findall(section)
        for code, letters in zip(words[::2], words[1::2], strict=False):
            if len(letters) > 4:  # noqa: PLR2004 - one unit of UTF-16
                _raise(weights, hex_bytes(code)[-1:], len(hex_bytes(letters)))
    for section in ranges:
        _take_ranges(section, weights)


def _take_ranges(section: bytes, weights: list[int]) -> None:
    at = 0
    while found := _RANGE.match(section, at):
        at = found.end()
        letters = _ANY_HEX.findall(found[3]) if found[3] is not None else [found[4]]
        longest = max([len(hex_bytes(each)) for each in letters], default=0)
        first, last = hex_bytes(found[1]), hex_bytes(found[2])
        is_plain = first and len(first) == len(last) and first[:-1] == last[:-1]
        _raise(weights, range(first[-1], last[-1] + 1) if is_plain else range(256), longest)
    if section[at:].strip():
        raise Unreadable("a map of another shape")


def _take_names(value: Any, weights: list[int]) -> None:
    """Names of letters, each for a code; a reader that does not know a name may write it out."""
    if not isinstance(value, list):
        raise Unreadable("an encoding that is none")
    code = 0
    for item in value:
        if type(item) is int:
            code = item
        elif isinstance(item, Name):
            weights[code & 0xFF] = max(weights[code & 0xFF], len(item) + 1)
            code += 1
        else:
            raise Unreadable("an encoding of another shape")


def _raise(weights: list[int], codes: Iterable[int], size: int) -> None:
    """Letters of so many bytes in UTF-16: each two become three at most in UTF-8."""
    most = -(-size // 2) * 3
    for code in codes:
        weights[code] = max(weights[code], most)
