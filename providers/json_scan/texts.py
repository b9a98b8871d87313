"""Scans the strings of a JSON document without decoding (providers/json_scan/outline.py): where they end, whether they
are valid, whether they look like images or audio. In bounded steps, whatever their content.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Generator
from typing import Final

import msgspec

from providers.json_scan.limits import NotJson

MOST_RUN: Final = 64 * 1024  # bytes of white space, of a name, of a number, and of one match
PIECE: Final = 256 * 1024  # bytes validated at once
MEDIA_BYTES: Final = 1_000  # a longer string without a space counts as media, not as text
_FEW: Final = 32  # up to this many escaped quotation marks are skipped one by one
_BYTES_PER_UNIT: Final = 1_024  # bytes per unit of work, where nothing is escaped

_PAIR = rb"[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ONE = rb"[0-9a-cA-CefEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}"
INSIDE: Final = rb'(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u(?:' + _ONE + b"|" + _PAIR + b")))*+"
_inside = re.compile(INSIDE)
_skip = msgspec.json.Decoder(msgspec.Raw).decode
_BACKSLASH = b"\\"[0]


class Texts:
    """Scans the long strings of one document. `work` and `media_bytes` are sums over the scanned strings."""

    def __init__(self, raw: bytes) -> None:
        self._raw, self._view = raw, memoryview(raw)
        self.work = self.media_bytes = 0

    def check_utf8(self) -> Generator[None, None, None]:
        """Raises NotJson."""
        if self._raw.isascii():
            return
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            for start in range(0, len(self._raw), PIECE):
                decoder.decode(self._view[start : start + PIECE])
                yield
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise NotJson(str(error)) from None

    def skip(self, start: int) -> Generator[None, None, int]:
        """Return the end of the string that begins at this quotation mark. Raises NotJson."""
        raw = self._raw
        end = self._end_of(start)
        if end and end - start <= PIECE:
            check(self._view[start:end])
            self.work += (end - start) // _BYTES_PER_UNIT
        elif end and raw.find(b"\\", start, end) < 0:
            for at in range(start + 1, end - 1, PIECE):
                check(b'"' + raw[at : min(at + PIECE, end - 1)] + b'"')
                yield
        else:
            end = yield from self._skip_escaped(start)
        if end - start > MEDIA_BYTES and raw.find(b" ", start, end) < 0:
            self.media_bytes += end - start
        return end

    def _end_of(self, start: int) -> int:
        """Return the end of a string with few escaped quotation marks, 0 for the others. Raises NotJson."""
        raw, at = self._raw, start
        for _ in range(_FEW):
            at = raw.find(b'"', at + 1)
            if at < 0:
                raise NotJson("a text has no end")
            if raw[at - 1] != _BACKSLASH:
                return at + 1
            before = raw[max(start + 1, at - _FEW) : at]
            escapes = len(before) - len(before.rstrip(b"\\"))
            if escapes == _FEW:
                return 0
            if escapes % 2 == 0:
                return at + 1
        return 0

    def _skip_escaped(self, start: int) -> Generator[None, None, int]:
        raw, at = self._raw, start + 1
        while True:
            found = _inside.match(raw, at, at + MOST_RUN)
            assert found is not None  # noqa: S101 - it may be empty
            end = found.end()
            if raw[end : end + 1] == b'"':
                return end + 1
            if end == at:
                raise NotJson(f"a text is malformed at byte {end:,}")
            at = end
            yield


def check(piece: bytes | memoryview) -> None:
    """Raises NotJson unless this is one JSON value."""
    try:
        _skip(piece)
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotJson(str(error)) from None
