"""An upper bound of the bytes of text per character code, from a file's own fonts.

Codes are grouped by their last byte, over all fonts of a file: the largest value in one font is used for all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from providers.media.pdf.file import File
from providers.media.pdf.streams import Stream
from providers.media.pdf.syntax import Name, Unreadable, hex_bytes

LEAST: Final = 3  # bytes of one character, in UTF-8
_HEX: Final = rb"<([0-9A-Fa-f\s]*+)>"
_ANY_HEX: Final = re.compile(rb"<([^<>]*+)>")
_BEGIN: Final = re.compile(rb"beginbf(?:char|range)")
_CHARS: Final = re.compile(rb"beginbfchar\s++((?:<[0-9A-Fa-f\s]*+>\s*+)*+)endbfchar")
_RANGES: Final = re.compile(rb"beginbfrange\s++([<>\[\]0-9A-Fa-f\s]*)endbfrange")
_RANGE: Final = re.compile(
    rb"\s*+" + _HEX + rb"\s*+" + _HEX + rb"\s*+(?:\[([<>0-9A-Fa-f\s]*+)\]|" + _HEX + rb")"
)


def weights_of(file: File) -> list[int]:
    """Return the maximum bytes of UTF-8 by a code's last byte. Raises Unreadable."""
    weights = [LEAST] * 256
    for info in file.dicts():
        if b"ToUnicode" in info:
            _read_map(file, info[b"ToUnicode"], weights)
        if b"Differences" in info:
            _read_names(file.get(info[b"Differences"]), weights)
    return weights


def _read_map(file: File, value: Any, weights: list[int]) -> None:
    value = file.get(value)
    if isinstance(value, Name):  # a predefined map: one character per code
        return
    if not isinstance(value, Stream):
        raise Unreadable("a map that is none")
    if b"UseCMap" in value.info:
        _read_map(file, value.info[b"UseCMap"], weights)
    data = file.inflater.bytes_of(value)
    chars, ranges = _CHARS.findall(data), _RANGES.findall(data)
    if len(chars) + len(ranges) != len(_BEGIN.findall(data)) or b"usecmap" in data:
        raise Unreadable("a map of another shape")
    for section in chars:
        words = _ANY_HEX.findall(section)
        for code, letters in zip(words[::2], words[1::2], strict=False):
            if len(letters) > 4:  # noqa: PLR2004 - hex digits of one unit of UTF-16
                _raise(weights, hex_bytes(code)[-1:], len(hex_bytes(letters)))
    for section in ranges:
        _read_ranges(section, weights)


def _read_ranges(section: bytes, weights: list[int]) -> None:
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


def _read_names(value: Any, weights: list[int]) -> None:
    """Take glyph names, one per code; a reader that does not know a name may output the name itself."""
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
    """Raise the weights to `size` bytes of UTF-16: each two become at most three in UTF-8."""
    most = -(-size // 2) * 3
    for code in codes:
        weights[code] = max(weights[code], most)
