"""Decodes a PDF's streams: plain or deflated, within bounds. Other filters are for images, and are not read."""

from __future__ import annotations

import zlib
from typing import Any, Final, NamedTuple

from providers.media.pdf.syntax import Unreadable

MOST_INFLATED: Final = 32 * 1024 * 1024  # total bytes examined of one file
_PNG: Final = 10  # predictors from this number on are those of PNG
_UP: Final = 2


class Stream(NamedTuple):
    """A dictionary and the bytes that follow it, undecoded."""

    info: dict[bytes, Any]
    raw: bytes


class Inflater:
    """Decodes the streams of one file."""

    def __init__(self, most: int = MOST_INFLATED) -> None:
        self._left = most

    def bytes_of(self, stream: Stream) -> bytes:
        """Raises Unreadable."""
        info = stream.info
        filters, settings = _several(info.get(b"Filter")), _several(info.get(b"DecodeParms"))
        if b"F" in info or b"DP" in info or len(filters) > 1 or filters not in ([], [b"FlateDecode"]):
            raise Unreadable("a coding that is not read")
        data = self._inflated(stream.raw) if filters else stream.raw
        self.take(len(data))
        return _unpredicted(data, settings[0]) if settings and settings[0] is not None else data

    def take(self, size: int) -> None:
        """Count examined bytes. Raises Unreadable above the limit."""
        self._left -= size
        if self._left < 0:
            raise Unreadable("too much to look at")

    def _inflated(self, raw: bytes) -> bytes:
        box = zlib.decompressobj()
        try:
            data = box.decompress(raw, self._left + 1)
        except zlib.error as fault:
            raise Unreadable(f"deflated wrongly: {fault}") from None
        if not box.eof and len(data) <= self._left:
            raise Unreadable("deflated data that is cut short")
        return data


def _several(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _unpredicted(data: bytes, settings: Any) -> bytes:
    """Undo the predictors used for cross-reference tables (PNG's `none` and `up`)."""
    if not isinstance(settings, dict):
        raise Unreadable("settings that are elsewhere")
    predictor, columns = settings.get(b"Predictor", 1), settings.get(b"Columns", 1)
    if predictor == 1:
        return data
    is_plain = settings.get(b"Colors", 1) == 1 and settings.get(b"BitsPerComponent", 8) == 8  # noqa: PLR2004
    if type(predictor) is not int or predictor < _PNG or type(columns) is not int or not is_plain:
        raise Unreadable("a predictor that is not read")
    width = columns + 1
    if not 1 < width <= len(data) or len(data) % width:
        raise Unreadable("rows of another length")
    before, rows = bytes(columns), []
    for at in range(0, len(data), width):
        row = data[at + 1 : at + width]
        if data[at] == _UP:
            row = bytes([(a + b) & 0xFF for a, b in zip(row, before, strict=True)])
        elif data[at]:
            raise Unreadable("a predictor that is not read")
        rows.append(row)
        before = row
    return b"".join(rows)
